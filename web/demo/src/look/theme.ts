/** Light or dark: chosen by the visitor, else by the system. Sets one attribute on the document; the styles do the rest. */
import { effect, signal } from '@preact/signals';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED = 'tutti.theme';

export const theme = signal<Theme>('auto');

export function startTheme(): void {
  const stored = localStorage.getItem(STORED);
  theme.value = THEMES.find((known) => known === stored) ?? 'auto';
  effect(() => {
    if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme.value;
  });
}

export function chooseTheme(choice: Theme): void {
  theme.value = choice;
  localStorage.setItem(STORED, choice);
}
