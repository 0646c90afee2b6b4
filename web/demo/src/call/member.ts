/** What the page shows of one participant: a value read from the room at one moment, never a handle into it. */
import {
  type ConnectionQuality,
  type Participant,
  type RemoteAudioTrack,
  RemoteTrackPublication,
  type LocalVideoTrack,
  type RemoteVideoTrack,
  Track,
  isAudioTrack,
  isRemoteTrack,
} from 'livekit-client';

export type VideoTrack = LocalVideoTrack | RemoteVideoTrack;

export interface Member {
  readonly identity: string;
  readonly name: string;
  readonly isLocal: boolean;
  readonly isSpeaking: boolean;
  readonly hasMicrophone: boolean;
  readonly quality: ConnectionQuality;
  /** Present while there is something to see: subscribed and not muted. */
  readonly camera: VideoTrack | undefined;
  /** True as soon as the screen is published, even before the first frame. */
  readonly isSharing: boolean;
  readonly screen: VideoTrack | undefined;
  /** What must be heard of this participant; empty for the visitor. */
  readonly sounds: readonly RemoteAudioTrack[];
  /** Milliseconds since 1970. */
  readonly lastSpokeAt: number;
}

export function memberOf(participant: Participant): Member {
  return {
    identity: participant.identity,
    name: participant.name || participant.identity,
    isLocal: participant.isLocal,
    isSpeaking: participant.isSpeaking,
    hasMicrophone: participant.isMicrophoneEnabled,
    quality: participant.connectionQuality,
    camera: visible(participant, Track.Source.Camera),
    isSharing: participant.isScreenShareEnabled,
    screen: visible(participant, Track.Source.ScreenShare),
    sounds: participant.isLocal ? [] : sounds(participant),
    lastSpokeAt: participant.lastSpokeAt?.getTime() ?? 0,
  };
}

function visible(participant: Participant, source: Track.Source): VideoTrack | undefined {
  const publication = participant.getTrackPublication(source);
  if (!publication || publication.isMuted) return undefined;
  if (publication instanceof RemoteTrackPublication && !publication.isSubscribed) return undefined;
  return publication.videoTrack;
}

function sounds(participant: Participant): RemoteAudioTrack[] {
  return [...participant.audioTrackPublications.values()]
    .map((publication) => publication.audioTrack)
    .filter((track): track is RemoteAudioTrack => track !== undefined && isAudioTrack(track) && isRemoteTrack(track));
}
