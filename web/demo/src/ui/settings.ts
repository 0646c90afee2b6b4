/** The menu sections that several pages share: devices, language, appearance. */
import { type DeviceKind, type Devices, canChooseSpeaker } from '../devices/devices.ts';
import { THEMES, chooseTheme, theme } from '../look/theme.ts';
import { LANGUAGES, type Language, chooseLanguage, language, wording } from '../text/language.ts';
import type { Choice, MenuSection } from './menu.tsx';

export function deviceChoices(devices: Devices, kind: DeviceKind): readonly Choice[] {
  const text = wording.value;
  const noun = { videoinput: text.camera, audioinput: text.microphone, audiooutput: text.speaker }[kind];
  return [
    { id: '', label: text.systemDefault },
    ...devices.options[kind].value.map(({ id, label }, index) => ({ id, label: label || text.unnamedDevice(noun, index + 1) })),
  ];
}

export function deviceSection(devices: Devices, kind: DeviceKind, onChoose: (id: string) => void): MenuSection {
  const text = wording.value;
  const title = { videoinput: text.camera, audioinput: text.microphone, audiooutput: text.speaker }[kind];
  return { title, choices: deviceChoices(devices, kind), chosen: devices.present(kind) ?? '', onChoose };
}

export function speakerSection(devices: Devices, onChoose: (id: string) => void): MenuSection[] {
  return canChooseSpeaker ? [deviceSection(devices, 'audiooutput', onChoose)] : [];
}

export function themeSection(): MenuSection {
  const text = wording.value;
  return {
    title: text.theme,
    choices: THEMES.map((id) => ({ id, label: text.themes[id] })),
    chosen: theme.value,
    onChoose: (id) => chooseTheme(THEMES.find((known) => known === id) ?? 'auto'),
  };
}

export function languageSection(): MenuSection {
  return {
    title: wording.value.language,
    choices: Object.entries(LANGUAGES).map(([id, label]) => ({ id, label })),
    chosen: language.value,
    onChoose: (id) => chooseLanguage(id as Language),
  };
}
