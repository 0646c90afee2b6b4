/** Video and sound of tracks in the document; attaches on appearing, detaches on leaving. */
import type { RemoteAudioTrack } from 'livekit-client';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { VideoTrack } from '../call/member.ts';

export function Video({ track, mirrored, label }: { track: VideoTrack; mirrored: boolean; label: string }) {
  const element = useRef<HTMLVideoElement>(null);
  useLayoutEffect(() => {
    const video = element.current;
    if (!video) return;
    track.attach(video);
    return () => void track.detach(video);
  }, [track]);
  return <video ref={element} class={mirrored ? 'mirrored' : ''} aria-label={label} autoplay playsInline muted />;
}

export function Sound({ track }: { track: RemoteAudioTrack }) {
  const element = useRef<HTMLAudioElement>(null);
  useLayoutEffect(() => {
    const audio = element.current;
    if (!audio) return;
    track.attach(audio);
    return () => void track.detach(audio);
  }, [track]);
  return <audio ref={element} autoplay />;
}
