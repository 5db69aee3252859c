import { createOwnKeys, decryptWith, publicKeysOf, type SubscriptionKeys } from './encryption.ts';
import type { Mailbox } from './mailbox.ts';
import type { Registry } from './registry.ts';
import { normalizeKey } from './vapid.ts';

/** A push subscription as a browser's `toJSON()` gives it, and as senders take it. */
export interface PushSubscriptionJson {
  readonly endpoint: string;
  readonly expirationTime: null;
  readonly keys: SubscriptionKeys;
}

export interface SubscribeOptions {
  /** Whose endpoint it is, and whose rules and answers; `mozilla` when absent. */
  readonly service?: 'mozilla' | 'chromium';
  /** The sender's VAPID public key, base64url; without it, at Mozilla's alone, anybody may send. */
  readonly vapidKey?: string;
  /** The endpoint is `https:`, by the emulator's own authority: for senders that speak nothing else. */
  readonly isSecure?: boolean;
}

/** Acknowledge codes, as Firefox sends them. */
const DELIVERED = 100;
const DECRYPTION_FAILED = 101;

export interface VirtualBrowsersOptions {
  readonly registries: Readonly<Record<'mozilla' | 'chromium', Registry>>;
  readonly mailbox: Mailbox;
}

/** Browsers without a screen: each has one subscription, decrypts what comes into `PushRecord.payload`, and acknowledges it. */
export class VirtualBrowsers {
  readonly #registries: VirtualBrowsersOptions['registries'];
  readonly #mailbox: Mailbox;

  constructor({ registries, mailbox }: VirtualBrowsersOptions) {
    this.#registries = registries;
    this.#mailbox = mailbox;
  }

  /** @throws TypeError naming the option, its value and what is allowed */
  subscribe({
    service = 'mozilla',
    vapidKey,
    isSecure = false,
  }: SubscribeOptions = {}): PushSubscriptionJson {
    const registry = this.#registries[service];
    if (!registry) throw wrong('service', service, 'mozilla, chromium are allowed');
    const key = vapidKey === undefined ? undefined : normalizeKey(String(vapidKey));
    if (key === undefined && (vapidKey !== undefined || service === 'chromium')) {
      throw wrong('vapidKey', vapidKey, 'a P-256 public key in base64url is expected');
    }
    if (typeof isSecure !== 'boolean') throw wrong('isSecure', isSecure, 'true or false is allowed');
    const keys = createOwnKeys();
    const agent = registry.addAgent();
    agent.deliver = (subscription, record) => {
      let code = DELIVERED;
      try {
        if (record.body.length > 0) record.payload = decryptWith(keys, record.body);
      } catch {
        code = DECRYPTION_FAILED;
      }
      this.#mailbox.acknowledge(subscription, record, code);
    };
    const { endpoint } = registry.register(agent, `virtual-${agent.id}`, key, isSecure);
    return { endpoint, expirationTime: null, keys: publicKeysOf(keys) };
  }
}

function wrong(option: string, value: unknown, allowed: string): TypeError {
  return new TypeError(`${option} is ${JSON.stringify(value)}: ${allowed}`);
}
