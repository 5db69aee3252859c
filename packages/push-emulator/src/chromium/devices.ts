import { randomInt } from 'node:crypto';
import { type Agent, type EndpointOrigins, Registry, type Subscription } from '../webpush/registry.ts';

/** What a registration said, and a push to it must say again. */
export interface Registration {
  /** The `app` of the form: the browser's build, e.g. `org.chromium.linux`. */
  readonly app: string;
  /** The `sender` of the form, as it was: with web push the VAPID key, in base64url. */
  readonly sender: string;
}

/** Numbers up to 2^47: written by protobuf and as decimal text without a loss. */
const MAX_ID = 2 ** 47;
/** A number of 64 bits, but 0. */
const DECIMAL = /^[1-9]\d{0,19}$/;

/** Chromium's installations, by the Android id that the check-in gives them, and their subscriptions. */
export class Devices {
  readonly registry: Registry;
  readonly #securityTokens = new Map<string, string>();
  readonly #registrations = new WeakMap<Subscription, Registration>();

  /** @param origins where the emulator takes pushes; each build of Chromium puts an origin of Google's before the token */
  constructor({ url, httpsUrl }: EndpointOrigins, now: () => number) {
    this.registry = new Registry({
      newAgentId: () => String(randomInt(1, MAX_ID)),
      endpoint: (token, _, isSecure) => `${isSecure ? httpsUrl : url}/fcm/send/${token}`,
      now,
    });
  }

  checkIn(): { androidId: string; securityToken: string } {
    const { id } = this.registry.addAgent();
    const securityToken = String(randomInt(1, MAX_ID));
    this.#securityTokens.set(id, securityToken);
    return { androidId: id, securityToken };
  }

  /**
   * The device of an id, if that is its security token. An id that is not known is believed: a browser whose service lost its data, or
   * was started anew, has no way to learn that, and would never take a push again.
   */
  authenticate(androidId: string, securityToken: string): Agent | undefined {
    if (!DECIMAL.test(androidId) || !DECIMAL.test(securityToken)) return undefined;
    const known = this.#securityTokens.get(androidId);
    if (known === undefined) this.#securityTokens.set(androidId, securityToken);
    else if (known !== securityToken) return undefined;
    return this.registry.findAgent(androidId) ?? this.registry.addAgent(androidId);
  }

  /** @param key the VAPID key; undefined when the sender is an old numeric one */
  register(agent: Agent, subtype: string, key: string | undefined, registration: Registration): Subscription {
    const subscription = this.registry.register(agent, subtype, key);
    this.#registrations.set(subscription, registration);
    return subscription;
  }

  registrationOf(subscription: Subscription): Registration | undefined {
    return this.#registrations.get(subscription);
  }
}
