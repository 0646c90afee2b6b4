/** The drawings of the page, on a grid of 24. Decoration only: whoever uses one names the thing itself. */
import type { ComponentChildren } from 'preact';

const DRAWINGS = {
  microphone: (
    <>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    </>
  ),
  microphoneOff: (
    <>
      <path d="M15 9.5V6a3 3 0 0 0-5.7-1.3M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10.6 5M18.5 11.5a6.5 6.5 0 0 1-.5 2.6M12 18v3M4 4l16 16" />
    </>
  ),
  camera: (
    <>
      <rect x="2.5" y="6.5" width="13" height="11" rx="3" />
      <path d="m15.5 10.8 4.3-2.6a.8.8 0 0 1 1.2.7v6.2a.8.8 0 0 1-1.2.7l-4.3-2.6" />
    </>
  ),
  cameraOff: (
    <>
      <path d="M10.5 6.5h2a3 3 0 0 1 3 3v1.3l4.3-2.6a.8.8 0 0 1 1.2.7v6.2a.8.8 0 0 1-.6.8M15.3 15.6a3 3 0 0 1-2.8 1.9h-7a3 3 0 0 1-3-3v-5c0-1.4 1-2.6 2.3-2.9M4 4l16 16" />
    </>
  ),
  screen: (
    <>
      <rect x="2.5" y="4" width="19" height="13" rx="2.5" />
      <path d="M8.5 20.5h7M12 13.5v-6M9.3 9.8 12 7.2l2.7 2.6" />
    </>
  ),
  chat: <path d="M4 17.6V7a3 3 0 0 1 3-3h10a3 3 0 0 1 3 3v7a3 3 0 0 1-3 3H9.2L5.3 19.9A.8.8 0 0 1 4 19.3zM8.5 9h7M8.5 12.4h4.5" />,
  more: (
    <g fill="currentColor" stroke="none">
      <circle cx="5.5" cy="12" r="1.7" />
      <circle cx="12" cy="12" r="1.7" />
      <circle cx="18.5" cy="12" r="1.7" />
    </g>
  ),
  leave: (
    <path
      d="M3.2 15.4c-.9-1-.9-2.5 0-3.5C5.5 9.4 8.6 8 12 8s6.5 1.4 8.8 3.9c.9 1 .9 2.5 0 3.5l-.9.9a1.5 1.5 0 0 1-1.9.2l-2-1.3a1.5 1.5 0 0 1-.7-1.3v-1.3a10 10 0 0 0-6.6 0v1.3c0 .5-.3 1-.7 1.3l-2 1.3a1.5 1.5 0 0 1-1.9-.2z"
      fill="currentColor"
      stroke="none"
    />
  ),
  link: <path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.1-1.1" />,
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  chevron: <path d="m7 14 5-5 5 5" />,
  pin: <path d="M9 3.5h6l-.7 6.3 3.2 3.2v1.5h-11V13l3.2-3.2zM12 14.5v6" />,
  send: <path d="M5 12h13M12.5 6l6 6-6 6" />,
  people: (
    <>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M2.5 19.5c.4-3.4 3-5.5 6.5-5.5s6.1 2.1 6.5 5.5M15.5 4.8a3.5 3.5 0 0 1 0 6.4M18 14.6c2 .8 3.2 2.5 3.5 4.9" />
    </>
  ),
  globe: (
    <>
      <circle cx="12" cy="12" r="8.7" />
      <path d="M3.5 12h17M12 3.3c2.6 2.5 3.8 5.4 3.8 8.7s-1.2 6.2-3.8 8.7c-2.6-2.5-3.8-5.4-3.8-8.7s1.2-6.2 3.8-8.7z" />
    </>
  ),
  contrast: (
    <>
      <circle cx="12" cy="12" r="8.7" />
      <path d="M12 3.3a8.7 8.7 0 0 1 0 17.4z" fill="currentColor" stroke="none" />
    </>
  ),
  speaker: <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />,
} satisfies Record<string, ComponentChildren>;

export type IconName = keyof typeof DRAWINGS;

export function Icon({ name, size = 22 }: { name: IconName; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {DRAWINGS[name]}
    </svg>
  );
}

export function Logo() {
  return (
    <span class="logo">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect class="logo-plate" width="32" height="32" rx="9" />
        <g class="logo-bars">
          <rect x="6.5" y="13" width="3.4" height="6" rx="1.7" />
          <rect x="11.7" y="8" width="3.4" height="16" rx="1.7" />
          <rect x="16.9" y="8" width="3.4" height="16" rx="1.7" />
          <rect x="22.1" y="13" width="3.4" height="6" rx="1.7" />
        </g>
      </svg>
      <span class="logo-word">tutti</span>
    </span>
  );
}
