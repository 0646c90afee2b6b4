/**
 * A button that opens a list of choices: arrow keys move, Enter chooses, Escape and a click elsewhere close.
 * https://www.w3.org/WAI/ARIA/apg/patterns/menu-button/
 */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useId, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icon.tsx';

export interface Choice {
  readonly id: string;
  readonly label: string;
}

export type MenuSection =
  | { readonly title: string; readonly choices: readonly Choice[]; readonly chosen: string; readonly onChoose: (id: string) => void }
  | { readonly action: string; readonly icon: IconName; readonly className?: string; readonly onChoose: () => void };

interface MenuProps {
  readonly label: string;
  readonly icon: IconName;
  readonly className: string;
  /** Side of the button the list is flush with. */
  readonly align?: 'left' | 'right';
  readonly opens?: 'up' | 'down';
  readonly sections: () => readonly MenuSection[];
  readonly onOpen?: () => void;
}

export function Menu({ label, icon, className, align = 'left', opens = 'up', sections, onOpen }: MenuProps) {
  const isOpen = useSignal(false);
  const id = useId();
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  const items = () => [...(root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])];
  const close = (refocus: boolean) => {
    isOpen.value = false;
    if (refocus) button.current?.focus();
  };

  useSignalEffect(() => {
    if (!isOpen.value) return;
    onOpen?.();
    const dismiss = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) close(false);
    };
    document.addEventListener('pointerdown', dismiss);
    requestAnimationFrame(() => {
      (items().find((item) => item.getAttribute('aria-checked') === 'true') ?? items()[0])?.focus({ preventScroll: true });
    });
    return () => document.removeEventListener('pointerdown', dismiss);
  });

  const onKeyDown = (event: KeyboardEvent) => {
    if (!isOpen.value) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (step !== undefined) all[step % all.length]?.focus();
    else if (event.key === 'Escape') close(true);
    else if (event.key === 'Tab') return close(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const choose = (act: () => void) => () => {
    close(true);
    act();
  };

  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        class={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen.value}
        aria-controls={id}
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        <Icon name={icon} />
      </button>
      {isOpen.value && (
        <div class={`menu-list menu-${align} menu-${opens}`} id={id} role="menu" aria-label={label}>
          {sections().map((section) =>
            'action' in section ? (
              <button key={section.action} type="button" role="menuitem" tabIndex={-1} class={`menu-item ${section.className ?? ''}`} onClick={choose(section.onChoose)}>
                <Icon name={section.icon} size={18} />
                {section.action}
              </button>
            ) : (
              <div key={section.title} role="group" aria-label={section.title} class="menu-group">
                <div class="menu-title">{section.title}</div>
                {section.choices.map((choice) => (
                  <button
                    key={choice.id}
                    type="button"
                    role="menuitemradio"
                    tabIndex={-1}
                    class="menu-item"
                    aria-checked={choice.id === section.chosen}
                    onClick={choose(() => section.onChoose(choice.id))}
                  >
                    <span class="menu-mark">{choice.id === section.chosen && <Icon name="check" size={16} />}</span>
                    <span class="menu-label">{choice.label}</span>
                  </button>
                ))}
              </div>
            ),
          )}
        </div>
      )}
    </div>
  );
}
