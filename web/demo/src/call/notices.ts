/** Short messages that come and go by themselves: someone joined, a device failed. */
import { signal } from '@preact/signals';

export interface Notice {
  readonly id: number;
  readonly tone: 'plain' | 'bad';
  readonly text: string;
}

const SHOWN_MS = 4500;
const AT_ONCE_MAX = 3;

export class Notices {
  readonly shown = signal<readonly Notice[]>([]);
  #last = 0;

  say(text: string, tone: Notice['tone'] = 'plain'): void {
    const id = (this.#last += 1);
    this.shown.value = [...this.shown.value, { id, tone, text }].slice(-AT_ONCE_MAX);
    setTimeout(() => this.dismiss(id), SHOWN_MS);
  }

  dismiss(id: number): void {
    this.shown.value = this.shown.value.filter((notice) => notice.id !== id);
  }
}
