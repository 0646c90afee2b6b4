/** One participant, or one shared screen, in the call. */
import { ConnectionQuality } from 'livekit-client';
import type { Member } from '../call/member.ts';
import type { Rect } from '../layout/arrange.ts';
import type { Tile } from '../layout/tiles.ts';
import { wording } from '../text/language.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';
import { Video } from './media.tsx';

interface TileProps {
  readonly tile: Tile<Member>;
  readonly rect: Rect;
  readonly isStage: boolean;
  readonly isPinned: boolean;
  /** Absent where there is nothing to choose between. */
  readonly onPin: (() => void) | undefined;
}

export function TileView({ tile: { member, source }, rect, isStage, isPinned, onPin }: TileProps) {
  const text = wording.value;
  const isScreen = source === 'screen';
  const track = isScreen ? member.screen : member.camera;
  const title = isScreen
    ? member.isLocal ? text.yourScreen : text.screenOf(member.name)
    : member.isLocal ? text.self(member.name) : member.name;
  const isSpeaking = member.isSpeaking && !isScreen;
  const classes = ['tile', isScreen && 'tile-screen', isSpeaking && 'is-speaking', isStage && 'is-stage', rect.width < 230 && 'is-small', rect.width < 140 && 'is-tiny'];
  return (
    <article
      class={classes.filter(Boolean).join(' ')}
      style={{ width: `${rect.width}px`, height: `${rect.height}px`, transform: `translate(${rect.x}px, ${rect.y}px)` }}
      aria-label={title}
      data-identity={member.identity}
      data-source={source}
      data-local={member.isLocal}
      data-microphone={member.hasMicrophone ? 'on' : 'off'}
      data-speaking={isSpeaking}
      data-quality={member.quality}
      onDblClick={onPin}
    >
      {track ? (
        <Video track={track} mirrored={member.isLocal && !isScreen} label={title} />
      ) : isScreen ? (
        <div class="screen-wait"><Icon name="screen" size={40} /></div>
      ) : (
        <Avatar name={member.name} identity={member.identity} />
      )}
      <div class="tag">
        {!isScreen && !member.hasMicrophone && (
          <span class="tag-muted" role="img" aria-label={text.muted} title={text.muted}><Icon name="microphoneOff" size={15} /></span>
        )}
        {isSpeaking && <span class="tag-speaking" role="img" aria-label={text.speaking}><i /><i /><i /></span>}
        {isScreen && <Icon name="screen" size={15} />}
        <span class="tag-name">{title}</span>
        {!isScreen && <Quality quality={member.quality} />}
      </div>
      {onPin && (
        <button
          type="button"
          class="tile-pin"
          aria-pressed={isPinned}
          aria-label={`${isPinned ? text.unpin : text.pin}: ${title}`}
          title={isPinned ? text.unpin : text.pin}
          onClick={onPin}
          onDblClick={(event) => event.stopPropagation()}
        >
          <Icon name="pin" size={18} />
        </button>
      )}
    </article>
  );
}

const BARS: Record<ConnectionQuality, number> = {
  [ConnectionQuality.Excellent]: 3,
  [ConnectionQuality.Good]: 2,
  [ConnectionQuality.Poor]: 1,
  [ConnectionQuality.Lost]: 0,
  [ConnectionQuality.Unknown]: 0,
};

function Quality({ quality }: { quality: ConnectionQuality }) {
  if (quality === ConnectionQuality.Unknown) return null;
  const label = wording.value.quality[quality];
  return (
    <span class={`bars bars-${quality}`} role="img" aria-label={label} title={label}>
      {[1, 2, 3].map((bar) => <i key={bar} class={bar <= BARS[quality] ? 'on' : ''} />)}
    </span>
  );
}
