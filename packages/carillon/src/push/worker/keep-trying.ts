import { setTimeout as delay } from 'node:timers/promises';
import { UnavailableError } from '../../errors.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Runs a step again until the database and the queue answer. What push services said would be lost otherwise, and asking
 * them again would ring twice. A step must be repeatable; any other error ends it.
 *
 * @param signal once it is aborted the error is thrown after all
 */
export async function keepTrying<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof UnavailableError) || signal.aborted) throw error;
    }
    await delay(pause, undefined, { signal }).catch(() => {});
  }
}
