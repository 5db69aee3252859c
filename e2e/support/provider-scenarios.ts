import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';
import { type PushEmulator, type PushRecord, redirectVendors, startPushEmulator } from 'push-emulator';
import type { ProviderConfigs } from '../../packages/carillon/src/config/config.ts';
import { resolveConfig } from '../../packages/carillon/src/config/load.ts';
import type {
  Outcome,
  Provider,
  ProviderMessage,
  ProviderName,
  Target,
} from '../../packages/carillon/src/push/providers/provider.ts';

/**
 * What a scenario takes that has a sender of Carillon's and a vendor's own library meet the same fault in the same emulator. The
 * time of the two is in the scenario's hands, so that hours pass at once.
 */
export class Stage {
  emulator!: PushEmulator;
  /** Goes by only when the scenario says so; milliseconds. */
  #passed = 0;
  #startedAt = 0;
  #closers: (() => unknown)[] = [];

  async open(): Promise<void> {
    this.#passed = 0;
    this.#startedAt = Math.floor(Date.now() / 1000) * 1000;
    this.emulator = await startPushEmulator({ now: this.now });
    const { emulator } = this;
    this.#closers = [() => emulator.close(), redirectVendors(emulator)];
  }

  /** Closes everything that was given to `closeLater`, the latest first. */
  async close(): Promise<void> {
    for (const closer of this.#closers.reverse()) await closer();
  }

  /** @param closer called after the scenario, before the emulator ends */
  closeLater(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  /** A provider that trusts the emulator and lives by this stage's time; closed after the scenario. */
  sender<P extends ProviderName, Options>(
    create: (config: ProviderConfigs[P], options: Options) => Provider,
    name: P,
    section: object,
    options: Options,
  ): Provider {
    const push = { enabled: true, enabled_providers: [name], [name]: section };
    const { config } = resolveConfig({ push_notifications: push });
    const provider = create(config.push_notifications[name] as ProviderConfigs[P], {
      ca: this.emulator.ca,
      now: this.now,
      clock: this.clock,
      ...options,
    });
    this.closeLater(() => provider.close());
    return provider;
  }

  /** For `now`: a whole second of today, and what has passed since. */
  readonly now = (): number => this.#startedAt + this.#passed;
  /** For `clock`. */
  readonly clock = (): number => this.#passed;

  /** Lets time go by for the senders and the emulator; the libraries' is the machine's. */
  pass(ms: number): void {
    this.#passed += ms;
  }

  /** Records of a state in the order in which they came; all when there is none. */
  records(state?: PushRecord['state']): PushRecord[] {
    return this.emulator.messages().filter((record) => state === undefined || record.state === state);
  }

  /** The statuses that the emulator answered with, in its own order. */
  statuses(): (number | undefined)[] {
    return this.records().map(({ status }) => status);
  }

  /** Fails unless each of these addresses, and nobody else, was accepted for exactly once. */
  assertAcceptedOnce(tokens: readonly string[]): void {
    const accepted = this.records('accepted').map(({ target }) => target);
    assert.deepEqual(accepted.sort(), [...tokens].sort());
  }
}

/** A stage for each test of the file or suite that calls it. */
export function useStage(): Stage {
  const stage = new Stage();
  beforeEach(() => stage.open());
  afterEach(() => stage.close());
  return stage;
}

/** The outcomes in the order of the targets; fails when one is reported twice or never. */
export async function send(
  provider: Provider,
  targets: readonly (string | Target)[],
  message: ProviderMessage,
): Promise<Outcome[]> {
  const outcomes = new Map<number, Outcome>();
  const batch = targets.map((target) => (typeof target === 'string' ? { token: target } : target));
  await provider.send({ targets: batch, message }, (outcome) => {
    assert.ok(!outcomes.has(outcome.index), `target ${outcome.index} was reported twice`);
    outcomes.set(outcome.index, outcome);
  });
  return batch.map((_, index) => outcomes.get(index) ?? assert.fail(`target ${index} was never reported`));
}

/** `gone unregistered`: kind and code; `held` where it waits for the operator or a quota. */
export function inShort({ kind, code, isHeld }: Outcome): string {
  return `${kind} ${code}${isHeld ? ' held' : ''}`;
}

/** The kinds and codes that a batch has, each once. */
export function kindsOf(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.map(inShort))].sort();
}

/** So many of something. */
export function many<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

/** The forms of `Retry-After` (RFC 9110, section 10.2.3) and how long each has a sender wait: a second at least, an hour at most. */
export const RETRY_AFTER_FORMS: readonly {
  readonly name: string;
  readonly value: (now: number) => string | number | undefined;
  /** Undefined: as long as without the header. */
  readonly waitMs: number | undefined;
}[] = [
  { name: 'seconds', value: () => 30, waitMs: 30_000 },
  { name: 'an HTTP date', value: (now) => new Date(now + 90_000).toUTCString(), waitMs: 90_000 },
  { name: 'a date in the past', value: (now) => new Date(now - 90_000).toUTCString(), waitMs: 1_000 },
  { name: '0', value: () => 0, waitMs: 1_000 },
  { name: 'ten days', value: () => 864_000, waitMs: 3_600_000 },
  { name: 'no time at all', value: () => 'soon', waitMs: undefined },
  { name: 'nothing', value: () => undefined, waitMs: undefined },
];
