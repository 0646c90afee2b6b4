/** The bar at the foot of the call. */
import { useSignal } from '@preact/signals';
import type { Call } from '../call/call.ts';
import type { Devices } from '../devices/devices.ts';
import { wording } from '../text/language.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { copyInvite } from '../ui/invite.tsx';
import { Menu, type MenuSection } from '../ui/menu.tsx';
import { deviceSection, languageSection, speakerSection, themeSection } from '../ui/settings.ts';

const CAN_SHARE = 'getDisplayMedia' in (navigator.mediaDevices ?? {});

export function ControlBar({ call, devices, room }: { call: Call; devices: Devices; room: string }) {
  const text = wording.value;
  const me = call.me.value;
  const isMicOn = me?.hasMicrophone ?? false;
  const isCameraOn = me?.camera !== undefined;
  const isSharing = me?.isSharing ?? false;
  const unread = call.chat.unread.value;
  const refresh = () => void devices.refresh();

  const moreSections = (): MenuSection[] => [
    {
      action: text.invite,
      icon: 'link',
      className: 'only-narrow',
      onChoose: () => void copyInvite(room).then(() => call.notices.say(wording.value.copied)),
    },
    ...speakerSection(devices, (id) => void call.chooseDevice('audiooutput', id)),
    themeSection(),
    languageSection(),
  ];

  return (
    <div class="controls" role="toolbar" aria-label={text.controls}>
      <div class={`split ${isMicOn ? '' : 'is-off'}`}>
        <BarButton name="microphone" icon={isMicOn ? 'microphone' : 'microphoneOff'} label={isMicOn ? text.micOff : text.micOn} hint="M" isPressed={isMicOn} act={() => call.setMicrophone(!isMicOn)} />
        <Menu label={text.chooseMicrophone} icon="chevron" className="split-more" onOpen={refresh} sections={() => [deviceSection(devices, 'audioinput', (id) => void call.chooseDevice('audioinput', id))]} />
      </div>
      <div class={`split ${isCameraOn ? '' : 'is-off'}`}>
        <BarButton name="camera" icon={isCameraOn ? 'camera' : 'cameraOff'} label={isCameraOn ? text.cameraOff : text.cameraOn} hint="V" isPressed={isCameraOn} act={() => call.setCamera(!isCameraOn)} />
        <Menu label={text.chooseCamera} icon="chevron" className="split-more" onOpen={refresh} sections={() => [deviceSection(devices, 'videoinput', (id) => void call.chooseDevice('videoinput', id))]} />
      </div>
      {CAN_SHARE && (
        <BarButton name="share" icon="screen" className={isSharing ? 'is-live' : ''} label={isSharing ? text.stopShare : text.share} hint="S" isPressed={isSharing} act={() => call.setSharing(!isSharing)} />
      )}
      <span class="badge-anchor">
        <BarButton name="chat" icon="chat" className={call.chat.isOpen.value ? 'is-live' : ''} label={unread ? `${text.chat}, ${text.unread(unread)}` : text.chat} hint="C" isPressed={call.chat.isOpen.value} act={async () => call.chat.toggle()} />
        {unread > 0 && <span class="badge" aria-hidden="true">{unread > 9 ? '9+' : unread}</span>}
      </span>
      <Menu label={text.more} icon="more" className="round" align="right" onOpen={refresh} sections={moreSections} />
      <BarButton name="leave" icon="leave" className="round-leave" label={text.leave} act={() => call.leave()} />
    </div>
  );
}

interface BarButtonProps {
  readonly name: string;
  readonly icon: IconName;
  readonly label: string;
  readonly hint?: string;
  readonly className?: string;
  readonly isPressed?: boolean;
  readonly act: () => Promise<void>;
}

/** A round button that waits for what it started before it can be pressed again. */
function BarButton({ name, icon, label, hint, className = '', isPressed, act }: BarButtonProps) {
  const isBusy = useSignal(false);
  const onClick = async () => {
    isBusy.value = true;
    try {
      await act();
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <button
      type="button"
      class={`round ${className}`}
      data-control={name}
      aria-label={label}
      aria-pressed={isPressed}
      aria-keyshortcuts={hint}
      aria-busy={isBusy.value}
      title={hint ? `${label} (${hint})` : label}
      disabled={isBusy.value}
      onClick={() => void onClick()}
    >
      <Icon name={icon} />
    </button>
  );
}
