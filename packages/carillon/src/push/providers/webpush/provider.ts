import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { WebPushConfig } from '../../../config/config.ts';
import { guardLookup } from '../http/addresses.ts';
import { OriginClient, type Slot } from '../http/origin-client.ts';
import {
  closedError,
  type HttpRequest,
  type TransportError,
  type TransportOptions,
} from '../http/transport.ts';
import type { Outcome, Provider, SendBatch, Target } from '../provider.ts';
import { encrypt, type SubscriptionKeys } from './encryption.ts';
import { createEndpointRules, type Endpoint } from './endpoint-rules.ts';
import { type PreparedMessage, prepareMessage } from './message.ts';
import { outcomeOf, type PushResponse, readResponse } from './outcome.ts';
import { adaptHeaders } from './service-quirks.ts';
import { readKeys } from './subscription.ts';
import { createVapidSigner } from './vapid.ts';

export interface WebPushProviderOptions {
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  /** Resolves names; its answers pass the address check all the same. */
  readonly lookup?: LookupFunction;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Default 60 000. */
  readonly idleTimeoutMs?: number;
}

/** Encryption blocks its thread; sockets get their turn after each of these many messages (about 2 ms). */
const MESSAGES_PER_TURN = 16;
/** Shorter last parts of an endpoint are ordinary words, not secrets. */
const MIN_TOKEN_LENGTH = 16;

interface Addressed {
  readonly index: number;
  readonly endpoint: Endpoint;
  readonly keys: SubscriptionKeys;
}

/**
 * Sends web pushes: RFC 8030 requests, RFC 8291 bodies, RFC 8292 tokens, over HTTP/2 or HTTP/1.1 connections that are
 * kept per push service. The targets of one service go through its client in order; services do not wait for each
 * other.
 *
 * @throws Error that names the option when the VAPID keys, the subject or an insecure origin are wrong
 */
export function createWebPushProvider(config: WebPushConfig, options: WebPushProviderOptions = {}): Provider {
  const now = options.now ?? Date.now;
  const rules = createEndpointRules(config);
  const vapid = createVapidSigner(config, now);
  const transport: TransportOptions = {
    ca: options.ca,
    lookup: guardLookup(options.lookup),
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    ignoresSuccessBody: true,
  };
  const insecureTransport = { ...transport, lookup: options.lookup ?? systemLookup };
  const clients = new Map<string, OriginClient>();
  let closed = false;

  /** Clients come and go with their connections. */
  function clientOf({ origin, insecure }: Endpoint): OriginClient {
    let client = clients.get(origin);
    if (!client) {
      client = new OriginClient(origin, insecure ? insecureTransport : transport, () =>
        clients.delete(origin),
      );
      clients.set(origin, client);
    }
    return client;
  }

  /**
   * A few at a time: wait for room at the service, encrypt them, set the requests off. Encrypting several in a row costs a
   * fifth less than in turns with requests: each of the two finds its code and tables in the processor's caches.
   */
  async function sendToOrigin(
    addressed: readonly Addressed[],
    message: PreparedMessage,
    report: (outcome: Outcome) => void,
  ): Promise<void> {
    const underWay: Promise<void>[] = [];
    for (let start = 0; start < addressed.length; ) {
      const one = addressed[start] as Addressed;
      let client: OriginClient;
      let slots: Slot[];
      try {
        if (closed) throw closedError();
        client = clientOf(one.endpoint);
        slots = [await client.acquire()];
      } catch (error) {
        report(outcomeOfError(error as TransportError, one.index));
        start += 1;
        continue;
      }
      // Only as many more as there is room for now: nobody else gets it while these are waited for.
      const most = Math.min(MESSAGES_PER_TURN, addressed.length - start);
      while (slots.length < most) {
        const slot = client.tryAcquire();
        if (!slot) break;
        slots.push(slot);
      }
      const ready = addressed.slice(start, start + slots.length);
      const requests = ready.map((recipient) => prepareRequest(recipient, message));
      for (const [position, recipient] of ready.entries()) {
        const slot = slots[position] as Slot;
        const request = requests[position];
        if (request) {
          underWay.push(deliver(recipient, client, slot, request).then(report));
        } else {
          slot.release();
          report(failed(recipient.index, 'invalid_keys', 'keys.p256dh is not a point of the curve P-256'));
        }
      }
      start += ready.length;
      await setImmediate();
    }
    await Promise.all(underWay);
  }

  /** @returns undefined when the subscription's public key lies on no curve */
  function prepareRequest({ keys, endpoint }: Addressed, message: PreparedMessage): HttpRequest | undefined {
    let body: Buffer;
    try {
      body = encrypt(message.plaintext, keys);
    } catch {
      return undefined;
    }
    const headers = {
      authorization: vapid.authorization(endpoint.origin),
      'content-encoding': 'aes128gcm',
      'content-type': 'application/octet-stream',
      'content-length': String(body.length),
      ...adaptHeaders(endpoint.origin, message.headers),
    };
    return { path: endpoint.path, headers, body };
  }

  async function deliver(
    { index }: Addressed,
    client: OriginClient,
    slot: Slot,
    request: HttpRequest,
  ): Promise<Outcome> {
    try {
      const response = readResponse(await client.send(slot, request));
      return outcomeOf(hideToken(response, request.path), index, now());
    } catch (error) {
      return outcomeOfError(error as TransportError, index);
    }
  }

  return {
    name: 'webpush',
    async send(batch: SendBatch, report) {
      let message: PreparedMessage;
      try {
        message = prepareMessage(batch.message, 'notification.webpush');
      } catch (error) {
        batch.targets.forEach((_, index) => {
          report(failed(index, 'invalid_message', (error as Error).message));
        });
        return;
      }
      const byOrigin = new Map<string, Addressed[]>();
      for (const [index, target] of batch.targets.entries()) {
        const addressed = address(target, index);
        if ('kind' in addressed) report(addressed);
        else {
          const { origin } = addressed.endpoint;
          const group = byOrigin.get(origin);
          if (group) group.push(addressed);
          else byOrigin.set(origin, [addressed]);
        }
      }
      await Promise.all(Array.from(byOrigin.values(), (group) => sendToOrigin(group, message, report)));
    },
    async close() {
      closed = true;
      for (const client of clients.values()) client.close();
    },
  };

  function address(target: Target, index: number): Addressed | Outcome {
    const endpoint = rules(target.token);
    if (typeof endpoint === 'string') return failed(index, 'endpoint_not_allowed', `endpoint: ${endpoint}`);
    try {
      return { index, endpoint, keys: readKeys(target.keys ?? {}, 'keys') };
    } catch (error) {
      return failed(index, 'invalid_keys', (error as Error).message);
    }
  }
}

function failed(index: number, code: string, reason: string): Outcome {
  return { index, kind: 'failed', code, reason };
}

/** The endpoint's last part is its secret; a service may repeat it in its words. */
function hideToken(response: PushResponse, path: string): PushResponse {
  const token = path.slice(path.lastIndexOf('/') + 1);
  if (token.length < MIN_TOKEN_LENGTH || !response.text.includes(token)) return response;
  return { ...response, text: response.text.replaceAll(token, `${token.slice(0, 4)}…`) };
}

/** Everything on the way to the service may pass, but for a name that leads into a private network. */
function outcomeOfError(error: TransportError, index: number): Outcome {
  const kind = error.code === 'address_blocked' ? 'failed' : 'retry';
  return { index, kind, code: error.code, reason: error.message };
}
