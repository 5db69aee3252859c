import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { WebPushConfig } from '../../../config/config.ts';
import { Gate } from '../gate.ts';
import { guardLookup } from '../http/addresses.ts';
import { OriginClient } from '../http/origin-client.ts';
import type { Slot, Slots } from '../http/slots.ts';
import {
  closedError,
  type HeaderList,
  type HttpRequest,
  headerList,
  type TransportError,
  type TransportOptions,
} from '../http/transport.ts';
import { passingSlots, releaseAll } from '../passing-slots.ts';
import type { Outcome, Provider, SendBatch, Target } from '../provider.ts';
import { UnderWay } from '../under-way.ts';
import { type Answer, MEND_MS } from '../verdict.ts';
import { type Addressed, answerOfError, Deliveries, type Results } from './delivery.ts';
import { encrypt } from './encryption.ts';
import { createEndpointRules, type Endpoint } from './endpoint-rules.ts';
import { type PreparedMessage, prepareMessage } from './message.ts';
import { adaptHeaders } from './service-quirks.ts';
import { readKeys } from './subscription.ts';
import { createVapidKeyRing, type VapidSigner } from './vapid.ts';

export interface WebPushProviderOptions {
  /** Where the options are, for words about them. Default `webpush`; a named app's is `apps.shop.webpush`. */
  readonly section?: string;
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  /** Resolves names; its answers pass the address check all the same. */
  readonly lookup?: LookupFunction;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds; never goes back. */
  readonly clock?: () => number;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Default 60 000. */
  readonly idleTimeoutMs?: number;
}

/** Encryption blocks its thread; sockets get their turn after each of these many messages (about 2 ms). */
const MESSAGES_PER_TURN = 16;
/** Real push services have few origins; the bound is for allow-lists with `*`. */
const MAX_GATES = 1_000;
/** What sending to a service begins with after it was shut: few requests find out whether it was mended. */
const RAMP_FROM = 0.1;

/**
 * Sends web pushes: RFC 8030 requests, RFC 8291 bodies, RFC 8292 tokens, over HTTP/2 or HTTP/1.1 connections that are
 * kept per push service. The targets of one service go through its client in order; services do not wait for each
 * other.
 *
 * A subscription belongs to the VAPID key it was made for (RFC 8292 §4.2). A push goes out under the recorded one, else
 * under the one in use; where the service finds that it is another, the others of ours are tried at once. A service that
 * refuses our token whoever it is for gets nothing more until the operator may have mended it.
 *
 * @throws ConfigError that names the option when the VAPID keys, the subject or an insecure origin are wrong
 */
export function createWebPushProvider(config: WebPushConfig, options: WebPushProviderOptions = {}): Provider {
  const now = options.now ?? Date.now;
  const section = options.section ?? 'webpush';
  const rules = createEndpointRules(config, section);
  const vapid = createVapidKeyRing(config, now, section);
  const closing = new AbortController();
  const gates = new Map<string, Gate>();
  const deliveries = new Deliveries({ vapid, clientOf, gateOf, now, section });
  const connectTo = readAddress(config.emulator_address);
  const transport: TransportOptions = {
    ca: options.ca,
    connectTo,
    // The emulator is where the operator says; everything else may be where a subscription says.
    lookup: connectTo ? (options.lookup ?? systemLookup) : guardLookup(options.lookup),
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    ignoresSuccessBody: true,
  };
  const insecureTransport = {
    ...transport,
    connectTo: undefined,
    lookup: options.lookup ?? systemLookup,
  };
  const clients = new Map<string, OriginClient>();

  /** Clients come and go with their connections. Throws `TransportError` when the provider is closed. */
  function clientOf({ origin, insecure }: Endpoint): OriginClient {
    if (closing.signal.aborted) throw closedError();
    let client = clients.get(origin);
    if (!client) {
      client = new OriginClient(origin, insecure ? insecureTransport : transport, () =>
        clients.delete(origin),
      );
      clients.set(origin, client);
    }
    return client;
  }

  function gateOf(origin: string): Gate {
    let gate = gates.get(origin);
    if (!gate) {
      const { clock } = options;
      gate = new Gate({
        waitMs: MEND_MS,
        rampFrom: RAMP_FROM,
        signal: closing.signal,
        ...(clock && { clock }),
      });
      if (gates.size >= MAX_GATES) gates.delete(gates.keys().next().value as string);
      gates.set(origin, gate);
    }
    return gate;
  }

  /** Waits for room for `most` requests at the service, or fewer; else what to report. Never rejects. */
  async function admit(
    { endpoint }: Addressed,
    gate: Gate,
    most: number,
  ): Promise<[OriginClient, Slots] | Answer> {
    try {
      const refusal = gate.tryPass(1) ? undefined : await gate.pass(1);
      if (refusal) return refusal;
      const client = clientOf(endpoint);
      const slots = await client.acquire(most);
      // Others may have been told meanwhile that it is of no use.
      const late = gate.refusal();
      if (late) {
        releaseAll(slots);
        return late;
      }
      return [client, passingSlots(slots, () => gate.tryPass(1))];
    } catch (error) {
      return answerOfError(closing.signal.aborted ? closedError() : (error as TransportError));
    }
  }

  /**
   * A few at a time: wait for room at the service, encrypt them, set the requests off. Encrypting several in a row costs a
   * fifth less than in turns with requests: each of the two finds its code and tables in the processor's caches.
   */
  async function sendToOrigin(
    addressed: readonly Addressed[],
    message: PreparedMessage,
    results: Results,
  ): Promise<void> {
    const { origin } = (addressed[0] as Addressed).endpoint;
    const gate = gateOf(origin);
    const headersOf = requestHeaders(origin, message);
    const underWay = new UnderWay();
    for (let start = 0; start < addressed.length; ) {
      const one = addressed[start] as Addressed;
      const most = Math.min(MESSAGES_PER_TURN, addressed.length - start);
      const admitted = await admit(one, gate, most);
      if ('kind' in admitted) {
        results.report({ index: one.index, ...admitted });
        start += 1;
        continue;
      }
      const [client, slots] = admitted;
      const ready = addressed.slice(start, start + slots.length);
      const requests = ready.map((recipient) => prepareRequest(recipient, message, headersOf));
      for (const [position, recipient] of ready.entries()) {
        const itsSlot = slots[position] as Slot;
        const request = requests[position];
        if (request) {
          underWay.begin();
          deliveries.deliver(recipient, client, itsSlot, request, results, () => underWay.end());
        } else {
          itsSlot.release();
          results.report(
            failed(recipient.index, 'invalid_keys', 'keys.p256dh is not a point of the curve P-256'),
          );
        }
      }
      start += ready.length;
      await setImmediate();
    }
    await underWay.ended();
  }

  /** @returns undefined when the subscription's public key lies on no curve */
  function prepareRequest(
    { keys, endpoint, vapid: key }: Addressed,
    { payload }: PreparedMessage,
    headersOf: (signer: VapidSigner) => HeaderList,
  ): HttpRequest | undefined {
    const [signer] = vapid.signersFor(key);
    try {
      return { path: endpoint.path, headers: headersOf(signer), body: encrypt(payload, keys) };
    } catch {
      return undefined;
    }
  }

  return {
    name: 'webpush',
    async send(batch: SendBatch, report) {
      let message: PreparedMessage;
      try {
        message = prepareMessage(batch.message, 'notification.webpush');
      } catch (error) {
        for (let index = 0; index < batch.targets.length; index += 1) {
          report(failed(index, 'invalid_message', (error as Error).message));
        }
        return;
      }
      const byOrigin = new Map<string, Addressed[]>();
      for (const [index, target] of [...batch.targets].entries()) {
        const addressed = address(target, index);
        if ('kind' in addressed) report(addressed);
        else {
          const { origin } = addressed.endpoint;
          const group = byOrigin.get(origin);
          if (group) group.push(addressed);
          else byOrigin.set(origin, [addressed]);
        }
      }
      const results: Results = { report, doubtful: [], accepted: 0 };
      await Promise.all(Array.from(byOrigin.values(), (group) => sendToOrigin(group, message, results)));
      deliveries.settleDoubtful(results);
    },
    async close() {
      closing.abort();
      for (const client of clients.values()) client.close();
    },
  };

  function address(target: Target, index: number): Addressed | Outcome {
    const endpoint = rules(target.token);
    if (typeof endpoint === 'string') return failed(index, 'endpoint_not_allowed', `endpoint: ${endpoint}`);
    try {
      const keys = readKeys(target.keys ?? {}, 'keys');
      return { index, endpoint, keys, vapid: target.keys?.vapid };
    } catch (error) {
      return failed(index, 'invalid_keys', (error as Error).message);
    }
  }
}

/** A batch's requests to one service differ in their headers by the VAPID key alone. */
function requestHeaders(
  origin: string,
  { headers, payload }: PreparedMessage,
): (signer: VapidSigner) => HeaderList {
  const bySigner = new Map<VapidSigner, HeaderList>();
  return (signer) => {
    let list = bySigner.get(signer);
    if (!list) {
      list = headerList({
        authorization: signer.authorization(origin),
        'content-encoding': 'aes128gcm',
        'content-type': 'application/octet-stream',
        'content-length': String(payload.bodyLength),
        ...adaptHeaders(origin, headers),
      });
      bySigner.set(signer, list);
    }
    return list;
  };
}

/** `host:port`, as the configuration was checked for; undefined when empty. */
function readAddress(address: string): { host: string; port: number } | undefined {
  const url = address === '' ? null : URL.parse(`tcp://${address}`);
  return url ? { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) } : undefined;
}

function failed(index: number, code: string, reason: string): Outcome {
  return { index, kind: 'failed', code, reason };
}
