import { randomUUID } from 'node:crypto';
import type { Journal, PushRecord } from '../journal.ts';
import type { ServiceName } from '../service.ts';
import { encryptTo, type SubscriptionKeys } from './encryption.ts';
import type { Urgency } from './headers.ts';
import type { Mailbox } from './mailbox.ts';
import type { Subscription } from './registry.ts';

/** 4096 bytes without the 86 of the header, the tag's 16 and the delimiter. */
const MAX_PLAINTEXT_BYTES = 3993;

export interface WebPushOptions {
  /** Seconds. */
  readonly ttl: number;
  readonly urgency: Urgency;
  readonly topic?: string;
  /** The id of the FCM record that it comes from. */
  readonly cause?: string;
}

/**
 * Sends a web push from inside, as FCM does for its web tokens: encrypted to the subscription, signed with a key that the push
 * service takes without asking. Its record follows that of its cause.
 * @param payload becomes JSON, up to 3993 bytes
 * @returns the record; `gone` when the endpoint is unknown or ended, as by a 404 or 410
 * @throws RangeError when the payload is too long
 */
export type SendWebPush = (
  target: SubscriptionKeys & { readonly endpoint: string },
  payload: object,
  options: WebPushOptions,
) => PushRecord | 'gone';

export interface SendWebPushOptions {
  /** The subscription of an endpoint's URL, of whichever service. */
  readonly find: (endpoint: string) => { service: ServiceName; subscription: Subscription } | undefined;
  readonly mailbox: Mailbox;
  readonly journal: Journal;
  readonly now: () => number;
}

export function createSendWebPush({ find, mailbox, journal, now }: SendWebPushOptions): SendWebPush {
  return ({ endpoint, ...keys }, payload, { ttl, urgency, topic, cause }) => {
    const found = find(endpoint);
    if (!found || found.subscription.goneAt !== undefined) return 'gone';
    const text = JSON.stringify(payload);
    if (Buffer.byteLength(text) > MAX_PLAINTEXT_BYTES) {
      throw new RangeError(
        `the web push is ${Buffer.byteLength(text)} bytes: up to ${MAX_PLAINTEXT_BYTES} fit`,
      );
    }
    const record: PushRecord = {
      id: randomUUID(),
      service: found.service,
      target: endpoint,
      endpoint,
      ...(cause !== undefined && { cause }),
      receivedAt: now(),
      state: 'received',
      headers: { ttl, urgency, ...(topic !== undefined && { topic }), encoding: 'aes128gcm' },
      body: encryptTo(keys, text),
      payload,
      sentAt: [],
    };
    journal.add(record);
    mailbox.accept(found.subscription, record);
    return record;
  };
}
