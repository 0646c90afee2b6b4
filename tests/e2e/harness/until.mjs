// @ts-check
/** Waiting for a condition, with a deadline and a sentence that says what did not come. */

const PAUSE_MS = 100;

/** How long anything may take: machines that test are busy with other things too. */
export const PATIENCE_MS = 60_000;

/**
 * Asks `probe` again and again until it gives something truthy, and returns that. An error it throws counts as "not
 * yet" and is shown when the deadline passes.
 *
 * @template T
 * @param {string} what the condition in words
 * @param {() => T | Promise<T>} probe
 * @param {number} [deadlineMs]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, probe, deadlineMs = PATIENCE_MS) {
  const end = performance.now() + deadlineMs;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${deadlineMs / 1000} s: ${what} (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
