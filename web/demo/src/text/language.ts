/** The language of the page: chosen by the visitor, else by the browser. Holds the one signal the pages read wording from. */
import { computed, effect, signal } from '@preact/signals';
import { en, type Wording } from './en.ts';
import { zh } from './zh.ts';

export const LANGUAGES = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof LANGUAGES;

const STORED = 'tutti.language';
const WORDINGS: Record<Language, Wording> = { en, zh };

/** First of the visitor's languages that the page speaks, in the order of preference the browser gives. */
export function preferredLanguage(offered: readonly string[]): Language {
  for (const tag of offered) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'zh' || primary === 'en') return primary;
  }
  return 'en';
}

export const language = signal<Language>('en');
export const wording = computed(() => WORDINGS[language.value]);

/** Reads the stored or preferred language and keeps the document in step with the signal. */
export function startLanguage(): void {
  const stored = localStorage.getItem(STORED);
  language.value = stored === 'en' || stored === 'zh' ? stored : preferredLanguage(navigator.languages);
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
  });
}

export function chooseLanguage(choice: Language): void {
  language.value = choice;
  localStorage.setItem(STORED, choice);
}
