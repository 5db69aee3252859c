import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { FcmConfig } from '../../../config/config.ts';
import { AuthorizedService } from '../authorized-service.ts';
import type { Outcome, Provider, ProviderMessage, SendBatch, Target, Targets } from '../provider.ts';
import { RemovalGuard } from '../removal-guard.ts';
import { pathPrefix, readServiceUrl } from '../service-url.ts';
import { Upcoming } from '../upcoming.ts';
import type { Answer } from '../verdict.ts';
import { checkMessage, EncodedMessage } from './message.ts';
import { type FcmContext, requestHeaders, Sending } from './sending.ts';
import { readServiceAccount, tokenForm } from './service-account.ts';

export interface FcmProviderOptions {
  /** Where the options are, for words about them. Default `fcm`; a named app's is `apps.shop.fcm`. */
  readonly section?: string;
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  /** Resolves names. */
  readonly lookup?: LookupFunction;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Default 15 000: FCM itself gives up after 5 s, and asks for 10 s at least. */
  readonly requestTimeoutMs?: number;
  /** Default 210 000: FCM ends a session after four idle minutes. */
  readonly idleTimeoutMs?: number;
}

const GOOGLE = 'https://fcm.googleapis.com';
/** What FCM allows on a connection. */
const MAX_STREAMS = 100;
/** For a quota, where FCM names no time: its minute. */
const QUOTA_WAIT_MS = 60_000;
/** FCM asks to ramp up from nothing over a minute. */
const RAMP_FROM = 0.1;
const KEPT_BYTES = 8_192;
/** Sockets get their turn after each of these many requests (about a millisecond). */
const REQUESTS_PER_TURN = 32;

/**
 * Sends through FCM's HTTP v1 API: a request for each target, over HTTP/2 connections that are kept (HTTP/1.1 where the
 * endpoint speaks nothing else).
 *
 * @throws ConfigError that names the option when the service account or the endpoint is wrong
 */
export function createFcmProvider(config: FcmConfig, options: FcmProviderOptions = {}): Provider {
  const section = options.section ?? 'fcm';
  const now = options.now ?? Date.now;
  const account = readServiceAccount(config, section);
  const endpoint = readServiceUrl(config.endpoint || GOOGLE, `${section}.endpoint`);
  const path = `${pathPrefix(endpoint)}/v1/projects/${encodeURIComponent(account.projectId)}/messages:send`;
  const service = new AuthorizedService({
    endpoint,
    transport: {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      lookup: options.lookup ?? systemLookup,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 15_000,
      idleTimeoutMs: options.idleTimeoutMs ?? 210_000,
      maxStreams: MAX_STREAMS,
      keptBytes: KEPT_BYTES,
    },
    tokenEndpoint: account.tokenUri,
    tokenForm: () => tokenForm(account, now()),
    quotaWaitMs: QUOTA_WAIT_MS,
    rampFrom: RAMP_FROM,
    clock: options.clock ?? (() => performance.now()),
  });
  const context: FcmContext = { path, headersOf: requestHeaders(), guard: new RemovalGuard(), now };

  return {
    name: 'fcm',
    async send({ targets, message }: SendBatch, report) {
      const sending = new Sending(context, report);
      const ready = new Upcoming(readyOf(targets, message, report), REQUESTS_PER_TURN);
      while (ready.count > 0) {
        const passages = await service.enter(1, ready.count);
        if ('kind' in passages) {
          report({ ...passages, index: ready.take().index });
          continue;
        }
        for (const passage of passages) service.send(passage, sending.begin(ready.take()));
        await setImmediate();
      }
      await sending.ended();
    },
    async close() {
      service.close();
    },
  };
}

/** Targets that can be sent to, with the batch's message, encoded once for each kind of them; reports the others. */
function* readyOf(targets: Targets, message: ProviderMessage, report: (outcome: Outcome) => void) {
  const encoded = new Map<Target['kind'], EncodedMessage | Answer>();
  let index = 0;
  for (const target of targets) {
    const { kind } = target;
    let result = encoded.get(kind);
    if (!result) {
      result = encode(message, kind);
      encoded.set(kind, result);
    }
    if (result instanceof EncodedMessage) yield { index, target, message: result };
    else report({ ...result, index });
    index += 1;
  }
}

/** The message, or the words why it cannot be sent to such a target. */
function encode(message: ProviderMessage, kind: Target['kind']): EncodedMessage | Answer {
  try {
    return new EncodedMessage(checkMessage(message, 'notification.fcm', kind ?? 'tokens'));
  } catch (error) {
    const reason = (error as Error).message;
    return { kind: 'failed', code: 'invalid_message', reason };
  }
}
