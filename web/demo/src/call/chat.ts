/**
 * Text chat over LiveKit text streams on the topic `lk.chat`, the one LiveKit's own components use, so that people on
 * other clients read along. Keeps what was said while the call lasts and nothing after it.
 */
import { computed, signal } from '@preact/signals';
import type { Room, TextStreamReader } from 'livekit-client';

const TOPIC = 'lk.chat';
const KEPT_MAX = 500;
export const MESSAGE_LENGTH_MAX = 4000;

export interface Message {
  readonly id: string;
  readonly identity: string;
  readonly name: string;
  readonly isMine: boolean;
  /** Milliseconds since 1970, by the clock of the sender. */
  readonly sentAt: number;
  readonly text: string;
}

export class Chat {
  readonly messages = signal<readonly Message[]>([]);
  readonly isOpen = signal(false);
  readonly #read = signal(0);
  readonly unread = computed(() => (this.isOpen.value ? 0 : this.#received.value - this.#read.value));
  readonly #received = signal(0);

  constructor(readonly room: Room) {
    room.registerTextStreamHandler(TOPIC, (reader, { identity }) => void this.#receive(reader, identity));
  }

  toggle(open = !this.isOpen.value): void {
    this.isOpen.value = open;
    this.#read.value = this.#received.value;
  }

  /** Throws what the room throws when the message cannot leave. */
  async send(text: string): Promise<void> {
    const { id, timestamp } = await this.room.localParticipant.sendText(text, { topic: TOPIC });
    const { identity, name } = this.room.localParticipant;
    this.#keep({ id, identity, name: name || identity, isMine: true, sentAt: timestamp, text });
  }

  async #receive(reader: TextStreamReader, identity: string): Promise<void> {
    let text: string;
    try {
      text = (await reader.readAll()).slice(0, MESSAGE_LENGTH_MAX);
    } catch {
      return; // The sender left in mid-sentence.
    }
    const name = this.room.getParticipantByIdentity(identity)?.name || identity;
    this.#keep({ id: reader.info.id, identity, name, isMine: false, sentAt: reader.info.timestamp, text });
    this.#received.value += 1;
    if (this.isOpen.value) this.#read.value = this.#received.value;
  }

  #keep(message: Message): void {
    this.messages.value = [...this.messages.value, message].slice(-KEPT_MAX);
  }
}
