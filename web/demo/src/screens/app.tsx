/** Shows the page that belongs to where the visitor is. */
import { useSignalEffect } from '@preact/signals';
import { wording } from '../text/language.ts';
import type { Visit } from '../visit.ts';
import { CallScreen } from './call.tsx';
import { LeftScreen } from './left.tsx';
import { StartScreen } from './start.tsx';

export function App({ visit }: { visit: Visit }) {
  const place = visit.place.value;
  useSignalEffect(() => {
    const now = visit.place.value;
    document.title = now.at === 'call' ? `${now.room} · Tutti` : `Tutti · ${wording.value.tagline}`;
  });
  switch (place.at) {
    case 'start':
      return <StartScreen visit={visit} isJoining={false} />;
    case 'entering':
      return place.isReturn ? <ReturnScreen /> : <StartScreen visit={visit} isJoining={true} />;
    case 'call':
      return <CallScreen call={place.call} devices={visit.devices} room={place.room} />;
    case 'left':
      return <LeftScreen visit={visit} failure={place.failure} />;
  }
}

function ReturnScreen() {
  return (
    <main class="plain-page">
      <span class="spinner" aria-hidden="true" />
      <p role="status">{wording.value.rejoining}</p>
    </main>
  );
}
