/** The call itself: stage and tiles, banners, chat, controls. */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Call } from '../call/call.ts';
import type { Devices } from '../devices/devices.ts';
import { type Box, grid, stage } from '../layout/arrange.ts';
import { fitting, sceneOf } from '../layout/tiles.ts';
import { wording } from '../text/language.ts';
import { Icon, Logo } from '../ui/icon.tsx';
import { InviteButton } from '../ui/invite.tsx';
import { Sound } from '../ui/media.tsx';
import { TileView } from '../ui/tile.tsx';
import { ChatPanel } from './chat.tsx';
import { ControlBar } from './controls.tsx';

export function CallScreen({ call, devices, room }: { call: Call; devices: Devices; room: string }) {
  const text = wording.value;
  const members = call.members.value;
  useShortcuts(call);
  useWakeLock();
  return (
    <div class={`call ${call.chat.isOpen.value ? 'has-chat' : ''}`}>
      <header class="call-head">
        <Logo />
        <h1 class="call-room">{room}</h1>
        <span class="chip" title={text.people(members.length)} aria-label={text.people(members.length)}>
          <Icon name="people" size={16} />
          {members.length}
        </span>
        <span class="call-spring" />
        <InviteButton room={room} className="button button-small call-invite" />
      </header>
      <main class="call-stage" aria-label={text.participants}>
        <Tiles call={call} />
        {members.length === 1 && !call.isReconnecting.value && <Alone room={room} />}
      </main>
      {call.chat.isOpen.value && <ChatPanel chat={call.chat} />}
      <ControlBar call={call} devices={devices} room={room} />
      <Banners call={call} />
      <Notices call={call} />
      {members.flatMap((member) => member.sounds.map((track) => <Sound key={track.sid} track={track} />))}
    </div>
  );
}

const GAP = 10;

function Tiles({ call }: { call: Call }) {
  const box = useSignal<Box>({ width: 0, height: 0 });
  const pinned = useSignal<string | undefined>(undefined);
  const field = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    const measure = () => (box.value = { width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  const scene = sceneOf(call.members.value, pinned.value);
  const { rects, hidden } = (scene.hasStage ? stage : grid)(scene.tiles.length, box.value, GAP);
  const shown = fitting(scene, rects.length);
  return (
    <div class="tiles" ref={field}>
      {shown.map((tile, place) => {
        const rect = rects[place];
        return rect && (
          <TileView
            key={tile.key}
            tile={tile}
            rect={rect}
            isStage={scene.hasStage && place === 0}
            isPinned={pinned.value === tile.key}
            onPin={scene.tiles.length > 1 ? () => (pinned.value = pinned.value === tile.key ? undefined : tile.key) : undefined}
          />
        );
      })}
      {hidden > 0 && <span class="chip tiles-hidden">{wording.value.others(hidden)}</span>}
    </div>
  );
}

function Alone({ room }: { room: string }) {
  const text = wording.value;
  return (
    <aside class="alone">
      <strong>{text.aloneTitle}</strong>
      <span>{text.aloneHint}</span>
      <InviteButton room={room} className="button button-primary button-small" />
    </aside>
  );
}

function Banners({ call }: { call: Call }) {
  const text = wording.value;
  return (
    <div class="banners" role="status">
      {call.isReconnecting.value && (
        <div class="banner banner-warn" data-banner="reconnecting"><span class="spinner" aria-hidden="true" />{text.reconnecting}</div>
      )}
      {call.isSoundBlocked.value && (
        <div class="banner" data-banner="sound">
          <Icon name="speaker" size={18} />
          {text.audioBlocked}
          <button type="button" class="button button-small button-primary" onClick={() => void call.unblockSound()}>{text.audioUnblock}</button>
        </div>
      )}
    </div>
  );
}

function Notices({ call }: { call: Call }) {
  return (
    <div class="notices" aria-live="polite">
      {call.notices.shown.value.map((notice) => (
        <div key={notice.id} class={`notice notice-${notice.tone}`}>{notice.text}</div>
      ))}
    </div>
  );
}

/** M and V for microphone and camera, S to share, C for chat; not while typing. */
function useShortcuts(call: Call): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if ((event.target as HTMLElement).closest('input, textarea, select, [role=menu]')) return;
      const me = call.me.value;
      const act = {
        m: () => void call.setMicrophone(!me?.hasMicrophone),
        v: () => void call.setCamera(!me?.camera),
        s: () => void call.setSharing(!me?.isSharing),
        c: () => call.chat.toggle(),
      }[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [call]);
}

/** Keeps a phone's screen lit during the call. */
function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined;
    let isOver = false;
    const take = async () => {
      if (document.visibilityState !== 'visible') return;
      lock = await navigator.wakeLock?.request('screen').catch(() => undefined);
      if (isOver) void lock?.release();
    };
    void take();
    document.addEventListener('visibilitychange', take);
    return () => {
      isOver = true;
      document.removeEventListener('visibilitychange', take);
      void lock?.release();
    };
  }, []);
}
