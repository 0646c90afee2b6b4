/** Copies the address of the room, and says so. */
import { useSignal } from '@preact/signals';
import { addressOf } from '../page.ts';
import { wording } from '../text/language.ts';
import { Icon } from './icon.tsx';

const SAID_MS = 2200;

export function InviteButton({ room, className }: { room: string; className: string }) {
  const isCopied = useSignal(false);
  const text = wording.value;
  const copy = async () => {
    await copyInvite(room);
    isCopied.value = true;
    setTimeout(() => (isCopied.value = false), SAID_MS);
  };
  return (
    <button type="button" class={className} onClick={() => void copy()} title={text.invite}>
      <Icon name={isCopied.value ? 'check' : 'link'} size={18} />
      <span aria-live="polite">{isCopied.value ? text.copied : text.invite}</span>
    </button>
  );
}

/** Pages without HTTPS have no clipboard: there the link is shown to be copied by hand. */
export async function copyInvite(room: string): Promise<void> {
  const link = addressOf(room, location.href);
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    window.prompt(wording.value.copyByHand, link);
  }
}
