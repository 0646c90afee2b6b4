/** Before the call: how one looks and sounds, who one is, where to go. */
import { useSignal } from '@preact/signals';
import type { LocalAudioTrack, LocalTrack } from 'livekit-client';
import { useEffect, useId, useRef } from 'preact/hooks';
import { roomOfToken } from '../access/access.ts';
import type { Failure } from '../call/failure.ts';
import { followLevel } from '../devices/level.ts';
import type { Capture, Preview } from '../devices/preview.ts';
import type { FailureName } from '../text/en.ts';
import { wording } from '../text/language.ts';
import { Avatar } from '../ui/avatar.tsx';
import { Icon, type IconName, Logo } from '../ui/icon.tsx';
import { Video } from '../ui/media.tsx';
import { Menu } from '../ui/menu.tsx';
import { deviceChoices, languageSection, themeSection } from '../ui/settings.ts';
import type { Visit, Wish } from '../visit.ts';

export function StartScreen({ visit, isJoining }: { visit: Visit; isJoining: boolean }) {
  const text = wording.value;
  return (
    <div class="start">
      <header class="start-head">
        <Logo />
        <span class="start-switches">
          <Menu label={text.language} icon="globe" className="round round-quiet" align="right" opens="down" sections={() => [languageSection()]} />
          <Menu label={text.theme} icon="contrast" className="round round-quiet" align="right" opens="down" sections={() => [themeSection()]} />
        </span>
      </header>
      <main class="start-main">
        <PreviewCard preview={visit.preview} name={visit.wish.value.name} />
        <Entrance visit={visit} isJoining={isJoining} />
      </main>
    </div>
  );
}

function PreviewCard({ preview, name }: { preview: Preview; name: string }) {
  const text = wording.value;
  const camera = preview.camera.value;
  const microphone = preview.microphone.value;
  const isCameraOn = camera.state === 'on' || camera.state === 'starting';
  const isMicOn = microphone.state === 'on' || microphone.state === 'starting';
  return (
    <section class="preview" aria-label={text.camera}>
      <div class="preview-picture">
        {camera.state === 'on' ? (
          <Video track={camera.track} mirrored label={text.camera} />
        ) : (
          <>
            <Avatar name={name || text.you} identity={name} />
            <p class="preview-word">{camera.state === 'starting' ? text.cameraStarting : text.cameraIsOff}</p>
          </>
        )}
        <div class="preview-controls">
          <Toggle isOn={isMicOn} on="microphone" off="microphoneOff" turnOn={text.micOn} turnOff={text.micOff} onToggle={() => void preview.setMicrophone(!isMicOn)} />
          <Toggle isOn={isCameraOn} on="camera" off="cameraOff" turnOn={text.cameraOn} turnOff={text.cameraOff} onToggle={() => void preview.setCamera(!isCameraOn)} />
        </div>
        {microphone.state === 'on' && <LevelMeter track={microphone.track} />}
      </div>
      {warnings(camera, microphone).map((failure) => <p key={failure} class="warning" role="alert">{text.failures[failure]}</p>)}
      <div class="preview-devices">
        <DevicePicker preview={preview} kind="audioinput" label={text.chooseMicrophone} icon="microphone" />
        <DevicePicker preview={preview} kind="videoinput" label={text.chooseCamera} icon="camera" />
      </div>
    </section>
  );
}

/** One sentence where one is enough. */
function warnings(...captures: readonly Capture<LocalTrack>[]): FailureName[] {
  const failures = captures.flatMap((capture) => (capture.state === 'failed' ? [capture.failure] : []));
  if (failures.includes('cameraDenied') && failures.includes('micDenied')) return ['bothDenied'];
  return [...new Set(failures)];
}

interface ToggleProps {
  readonly isOn: boolean;
  readonly on: IconName;
  readonly off: IconName;
  readonly turnOn: string;
  readonly turnOff: string;
  readonly onToggle: () => void;
}

function Toggle({ isOn, on, off, turnOn, turnOff, onToggle }: ToggleProps) {
  const label = isOn ? turnOff : turnOn;
  return (
    <button type="button" class={`round round-glass ${isOn ? '' : 'is-off'}`} aria-pressed={isOn} aria-label={label} title={label} onClick={onToggle}>
      <Icon name={isOn ? on : off} />
    </button>
  );
}

function LevelMeter({ track }: { track: LocalAudioTrack }) {
  const level = useSignal(0);
  useEffect(() => followLevel(track, (loudness) => (level.value = loudness)), [track]);
  const lit = Math.round(level.value * LEVEL_BARS);
  return (
    <div class="meter" role="meter" aria-label={wording.value.micLevel} aria-valuemin={0} aria-valuemax={LEVEL_BARS} aria-valuenow={lit}>
      {Array.from({ length: LEVEL_BARS }, (_, bar) => <i key={bar} class={bar < lit ? 'on' : ''} />)}
    </div>
  );
}

const LEVEL_BARS = 7;

interface PickerProps {
  readonly preview: Preview;
  readonly kind: 'audioinput' | 'videoinput';
  readonly label: string;
  readonly icon: IconName;
}

function DevicePicker({ preview, kind, label, icon }: PickerProps) {
  return (
    <label class="picker">
      <Icon name={icon} size={18} />
      <select aria-label={label} value={preview.devices.present(kind) ?? ''} onChange={(event) => void preview.choose(kind, event.currentTarget.value)}>
        {deviceChoices(preview.devices, kind).map((choice) => <option key={choice.id} value={choice.id}>{choice.label}</option>)}
      </select>
      <Icon name="chevron" size={16} />
    </label>
  );
}

function Entrance({ visit, isJoining }: { visit: Visit; isJoining: boolean }) {
  const text = wording.value;
  const wish = visit.wish.value;
  const failure = visit.failure.value;
  const tokenRoom = visit.needsToken.value ? roomOfToken(wish.token) : undefined;
  const fill = (part: Partial<Wish>) => (visit.wish.value = { ...visit.wish.value, ...part });
  const onSubmit = (event: Event) => {
    event.preventDefault();
    void visit.join();
  };
  return (
    <form class="entrance" onSubmit={onSubmit} noValidate>
      <h1>{text.readyTitle}</h1>
      <p class="quiet">{text.readyHint}</p>
      {visit.needsToken.value ? (
        <Field label={text.token} hint={tokenRoom ? text.tokenRoom(tokenRoom) : text.tokenHint} isWrong={failure?.name.startsWith('token') ?? false}>
          {(field) => <textarea {...field} rows={4} spellcheck={false} autocomplete="off" placeholder={text.tokenPlaceholder} value={wish.token} onInput={(event) => fill({ token: event.currentTarget.value })} />}
        </Field>
      ) : (
        <>
          <Field label={text.yourName} isWrong={failure?.name === 'nameMissing'}>
            {(field) => <input {...field} name="name" maxLength={64} autocomplete="name" autofocus={!wish.name} placeholder={text.yourNamePlaceholder} value={wish.name} onInput={(event) => fill({ name: event.currentTarget.value })} />}
          </Field>
          <Field label={text.room} hint={text.roomHint} isWrong={failure?.name.startsWith('room') ?? false}>
            {(field) => <input {...field} name="room" autocomplete="off" autocapitalize="none" spellcheck={false} placeholder={text.roomPlaceholder} value={wish.room} onInput={(event) => fill({ room: event.currentTarget.value })} />}
          </Field>
        </>
      )}
      {failure && <FailureNote failure={failure} />}
      <button type="submit" class="button button-primary button-large" disabled={isJoining} aria-busy={isJoining}>
        {isJoining && <span class="spinner" aria-hidden="true" />}
        {isJoining ? text.joining : text.join}
      </button>
    </form>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly isWrong: boolean;
  readonly children: (field: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => preact.JSX.Element;
}

function Field({ label, hint, isWrong, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': hint && `${id}-hint`, 'aria-invalid': isWrong })}
      {hint && <p id={`${id}-hint`} class="field-hint">{hint}</p>}
    </div>
  );
}

function FailureNote({ failure }: { failure: Failure }) {
  const note = useRef<HTMLDivElement>(null);
  useEffect(() => note.current?.scrollIntoView({ block: 'nearest' }), [failure]);
  return (
    <div ref={note} class="failure" role="alert">
      {wording.value.failures[failure.name]}
      {failure.detail && <small>{failure.detail}</small>}
    </div>
  );
}
