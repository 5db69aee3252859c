import type { Logger } from '../../logger.ts';
import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome } from '../providers/provider.ts';

const QUIET_MS = 60_000;

/**
 * Tells the operator in the log when pushes are held: their provider's credential, quota or settings stop all of them. Once a
 * minute for each lane and code, however many batches find it.
 */
export class OperatorAlarm {
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #quietUntil = new Map<string, number>();

  /** @param clock milliseconds; never goes back */
  constructor(logger: Logger, clock: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#clock = clock;
  }

  note(lane: ProviderLane, outcomes: Iterable<Outcome>): void {
    const held = Map.groupBy(
      [...outcomes].filter(({ isHeld }) => isHeld),
      ({ code }) => code,
    );
    const now = this.#clock();
    for (const [code, list] of held) {
      const key = `${lane} ${code}`;
      if (now < (this.#quietUntil.get(key) ?? 0)) continue;
      this.#quietUntil.set(key, now + QUIET_MS);
      const { reason, retryAfterMs } = list[0] as Outcome;
      this.#logger.warn(
        { provider: lane, code, reason, held: list.length, retryAfterMs },
        'pushes are held: the provider takes none for now',
      );
    }
  }
}
