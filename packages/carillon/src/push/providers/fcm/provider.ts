import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { FcmConfig } from '../../../config/config.ts';
import { AuthorizedService, type Passage } from '../authorized-service.ts';
import type { HeaderList, HttpRequest } from '../http/transport.ts';
import type { Outcome, Provider, ProviderMessage, SendBatch, Target } from '../provider.ts';
import { RemovalGuard } from '../removal-guard.ts';
import { pathPrefix, readServiceUrl } from '../service-url.ts';
import { UnderWay } from '../under-way.ts';
import type { Verdict } from '../verdict.ts';
import { judge } from './answer.ts';
import { checkMessage, EncodedMessage } from './message.ts';
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

/** A target with the message that it gets. */
interface Ready {
  readonly index: number;
  readonly target: Target;
  readonly message: EncodedMessage;
}

const GOOGLE = 'https://fcm.googleapis.com';
/** What FCM allows on a connection. */
const MAX_STREAMS = 100;
/** For a quota, where FCM names no time: its minute. */
const QUOTA_WAIT_MS = 60_000;
/** FCM asks to ramp up from nothing over a minute. */
const RAMP_FROM = 0.1;
const KEPT_BYTES = 8_192;
const MAX_SHARED_HEADERS = 1_000;
/** Sockets get their turn after each of these many requests (about a millisecond). */
const REQUESTS_PER_TURN = 32;
/** A Firebase installation id, as the web SDK makes them (`vendors` 1.3). Registration tokens are far longer. */
const INSTALLATION_ID = /^[cdef][\w-]{21}$/;
const INSTALLATION_ID_LENGTH = 22;

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
  const guard = new RemovalGuard();
  const headersOf = requestHeaders();

  function deliver(
    { target, message }: Ready,
    passage: Passage,
    onVerdict: (verdict: Verdict) => void,
  ): void {
    const body = message.bodyFor(memberOf(target), target.token);
    const requestOf = (accessToken: string): HttpRequest => ({
      path,
      headers: headersOf(accessToken, body.length),
      body,
    });
    service.send(passage, 1, requestOf, (answer) => judge(answer, now(), target.token), onVerdict);
  }

  return {
    name: 'fcm',
    async send({ targets, message }: SendBatch, report) {
      const doubtful: Outcome[] = [];
      let accepted = 0;
      const settle = (index: number, { outcome, effect }: Verdict): void => {
        const ofTarget = { index, ...outcome };
        if (outcome.kind === 'accepted') {
          accepted += 1;
          guard.accept();
        }
        if (effect === 'doubtful') doubtful.push(ofTarget);
        else report(ofTarget);
      };
      const { ready, refused } = encodeFor(targets, message);
      for (const verdict of refused) settle(verdict.index, verdict);
      const underWay = new UnderWay();
      for (let at = 0; at < ready.length; ) {
        const passages = await service.enter(1, Math.min(REQUESTS_PER_TURN, ready.length - at));
        if ('kind' in passages) {
          settle((ready[at] as Ready).index, { outcome: passages });
          at += 1;
          continue;
        }
        for (const passage of passages) {
          const one = ready[at] as Ready;
          underWay.begin();
          deliver(one, passage, (verdict) => {
            settle(one.index, verdict);
            underWay.end();
          });
          at += 1;
        }
        await setImmediate();
      }
      await underWay.ended();
      // Others of the batch that were accepted show that its message is not at fault.
      for (const outcome of guard.settle(doubtful, accepted)) report(outcome);
    },
    async close() {
      service.close();
    },
  };
}

/** The member of the message that holds the address. `token` takes installation ids, too, but only for a time. */
function memberOf({ token, kind }: Target): string {
  if (kind) return kind;
  return token.length === INSTALLATION_ID_LENGTH && INSTALLATION_ID.test(token) ? 'fid' : 'token';
}

/** Encodes the batch's message once for each kind of target. */
function encodeFor(
  targets: readonly Target[],
  message: ProviderMessage,
): { ready: Ready[]; refused: ({ index: number } & Verdict)[] } {
  const encoded = new Map<Target['kind'], EncodedMessage | Verdict>();
  const ready: Ready[] = [];
  const refused: ({ index: number } & Verdict)[] = [];
  for (const [index, target] of targets.entries()) {
    const { kind } = target;
    let result = encoded.get(kind);
    if (!result) {
      result = encode(message, kind);
      encoded.set(kind, result);
    }
    if (result instanceof EncodedMessage) ready.push({ index, target, message: result });
    else refused.push({ index, ...result });
  }
  return { ready, refused };
}

/** The message, or the words why it cannot be sent to such a target. */
function encode(message: ProviderMessage, kind: Target['kind']): EncodedMessage | Verdict {
  try {
    return new EncodedMessage(checkMessage(message, 'notification.fcm', kind ?? 'tokens'));
  } catch (error) {
    const reason = (error as Error).message;
    return { outcome: { kind: 'failed', code: 'invalid_message', reason } };
  }
}

/** Headers are shared by all requests of a length: tokens of a kind are alike. */
function requestHeaders(): (accessToken: string, length: number) => HeaderList {
  const byLength = new Map<number, HeaderList>();
  let current = '';
  return (accessToken, length) => {
    if (accessToken !== current || byLength.size > MAX_SHARED_HEADERS) byLength.clear();
    current = accessToken;
    let headers = byLength.get(length);
    if (!headers) {
      headers = [
        'authorization',
        `Bearer ${accessToken}`,
        'content-type',
        'application/json; charset=UTF-8',
        'content-length',
        String(length),
      ];
      byLength.set(length, headers);
    }
    return headers;
  };
}
