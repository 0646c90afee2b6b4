/** After the call: why it ended, and the way back. */
import type { Failure } from '../call/failure.ts';
import { wording } from '../text/language.ts';
import { Logo } from '../ui/icon.tsx';
import type { Visit } from '../visit.ts';

export function LeftScreen({ visit, failure }: { visit: Visit; failure: Failure | undefined }) {
  const text = wording.value;
  return (
    <main class="plain-page">
      <Logo />
      <div role="status">
        <h1>{failure ? text.failures[failure.name] : text.leftTitle}</h1>
      </div>
      <p class="quiet">{text.leftHint}</p>
      <div class="plain-actions">
        <button type="button" class="button button-primary" autofocus onClick={() => { visit.returnToStart(); void visit.join(); }}>
          {text.rejoin}
        </button>
        <button type="button" class="button" onClick={() => visit.returnToStart()}>
          {text.backToStart}
        </button>
      </div>
    </main>
  );
}
