import { resolveConfig } from '../../packages/carillon/src/config/load.ts';
import { createProvider, providerSetups } from '../../packages/carillon/src/push/providers/index.ts';
import type {
  Outcome,
  Provider,
  ProviderMessage,
  ProviderName,
  Target,
} from '../../packages/carillon/src/push/providers/provider.ts';

/** One of Carillon's providers, configured as an operator would, without the queue before it. */
export class Sender {
  readonly #provider: Provider;

  /** @param push `push_notifications`, with the section of the provider */
  constructor(name: ProviderName, push: object) {
    const { config } = resolveConfig({
      push_notifications: { enabled: true, enabled_providers: [name], ...push },
    });
    this.#provider = createProvider(providerSetups(config.push_notifications)[0]!);
  }

  /** The outcomes in the order of the targets; fails when one is reported twice or never. */
  async send(targets: readonly (string | Target)[], message: ProviderMessage): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const batch = targets.map((target) => (typeof target === 'string' ? { token: target } : target));
    await this.#provider.send({ targets: batch, message }, (outcome) => {
      if (outcomes[outcome.index]) throw new Error(`target ${outcome.index} was reported twice`);
      outcomes[outcome.index] = outcome;
    });
    if (Object.keys(outcomes).length !== targets.length) throw new Error('a target was never reported');
    return outcomes;
  }

  close(): Promise<void> {
    return this.#provider.close();
  }
}

/** `kind code` of an outcome, with `held` where it waits for the credential. */
export function inShort({ kind, code, isHeld }: Outcome): string {
  return `${kind} ${code}${isHeld ? ' held' : ''}`;
}
