/** Who is there without a picture: initials on a colour of their own. */

const HUES = [18, 42, 96, 158, 192, 222, 268, 322] as const;

/** One or two letters; for names in Chinese characters the last two, as given names stand last. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const first = words[0] ?? '';
  if (/\p{Script=Han}/u.test(first)) return [...first].slice(-2).join('');
  const last = words.length > 1 ? (words.at(-1) ?? '') : '';
  return ([...first].slice(0, 1).join('') + [...last].slice(0, 1).join('')).toUpperCase();
}

/** A hue in degrees that stays the same for one identity. */
export function hueOf(identity: string): number {
  let hash = 0;
  for (const char of identity) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return HUES[hash % HUES.length] ?? HUES[0];
}

export function Avatar({ name, identity }: { name: string; identity: string }) {
  return (
    <div class="avatar-field" style={{ '--hue': hueOf(identity) }}>
      <span class="avatar" aria-hidden="true">
        {initials(name)}
      </span>
    </div>
  );
}
