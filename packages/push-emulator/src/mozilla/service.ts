import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { PushRecord } from '../journal.ts';
import type { Answer, Judgement, Service, ServiceRequest } from '../service.ts';
import { HeaderError, readPushHeaders } from '../webpush/headers.ts';
import type { Mailbox } from '../webpush/mailbox.ts';
import { type EndpointOrigins, Registry, type Subscription } from '../webpush/registry.ts';
import { checkVapid, VapidError } from '../webpush/vapid.ts';

const MAX_BODY_BYTES = 4096;
/** 30 days. */
const MAX_TTL_SECONDS = 30 * 24 * 60 * 60;
const MORE_INFO = 'http://autopush.readthedocs.io/en/latest/http.html#error-codes';

/** An answer other than 201, with Mozilla's `errno`. */
class Refusal extends Error {
  readonly status: number;
  readonly errno: number | null;
  constructor(status: number, errno: number | null, message: string) {
    super(message);
    this.status = status;
    this.errno = errno;
  }
}

export function createMozillaRegistry({ url, httpsUrl }: EndpointOrigins, now: () => number): Registry {
  return new Registry({
    newAgentId: () => randomUUID().replaceAll('-', ''),
    endpoint: (token, key, isSecure) =>
      `${isSecure ? httpsUrl : url}/wpush/${key === undefined ? 'v1' : 'v2'}/${token}`,
    now,
  });
}

export interface MozillaOptions {
  readonly registry: Registry;
  readonly mailbox: Mailbox;
  /** Of the endpoints by plain HTTP, and of message resources. */
  readonly origin: string;
  readonly now: () => number;
}

/**
 * The senders' side of Mozilla's service: `POST /wpush/v2/<token>` (`v1` for subscriptions without a VAPID key) and
 * `DELETE /m/<id>`. Its checks come in the order of the original: token, VAPID, key, subscription, size, headers.
 */
export function createMozilla({ registry, mailbox, origin, now }: MozillaOptions): Service {
  return {
    name: 'mozilla',
    errorAnswer: ({ status, reason }) =>
      reason === undefined && status !== undefined
        ? answerOf(new Refusal(status, null, 'fault on request'))
        : undefined,
    route(method, path) {
      const [, version, token] = /^\/wpush\/(v1|v2)\/([^/]+)$/.exec(path) ?? [];
      const [, messageId] = /^\/m\/([^/]+)$/.exec(path) ?? [];
      if (token === undefined && messageId === undefined) return undefined;
      if (token !== undefined && method === 'POST') {
        const target = registry.find(token)?.endpoint ?? `${origin}${path}`;
        const judge = (request: ServiceRequest, record: PushRecord) =>
          judgePush(version!, token, request, record);
        return { kind: 'push', maxBody: MAX_BODY_BYTES, target, judge };
      }
      const answer = () => {
        if (token !== undefined) return answerOf(new Refusal(405, null, 'POST is allowed'));
        if (method !== 'DELETE') return answerOf(new Refusal(405, null, 'DELETE is allowed'));
        if (mailbox.delete(registry.subscriptions(), messageId!)) return { status: 204 };
        return answerOf(new Refusal(404, 102, 'No such message'));
      };
      return { kind: 'call', maxBody: MAX_BODY_BYTES, answer };
    },
  };

  function judgePush(version: string, token: string, request: ServiceRequest, record: PushRecord): Judgement {
    record.endpoint = record.target;
    try {
      const subscription = check(version, token, request, record);
      const headers = { Location: `${origin}/m/${record.id}`, TTL: String(record.headers?.ttl) };
      return { answer: { status: 201, headers }, deliver: () => mailbox.accept(subscription, record) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { answer: answerOf(error), refusal: error.message };
    }
  }

  /** Fills in the record's headers and claims on the way. */
  function check(version: string, token: string, request: ServiceRequest, record: PushRecord): Subscription {
    const subscription = registry.find(token);
    if (!subscription || version !== (subscription.key ? 'v2' : 'v1')) {
      throw new Refusal(404, 102, 'Invalid token');
    }
    checkAuthorization(subscription, request, record);
    if (subscription.goneAt !== undefined) throw new Refusal(410, 106, 'No such subscription');
    if (!request.body) throw new Refusal(413, 104, 'Payload too large');
    try {
      record.headers = readPushHeaders(request.headers, request.body.length, MAX_TTL_SECONDS);
    } catch (error) {
      if (error instanceof HeaderError) throw new Refusal(400, error.errno, error.message);
      throw error;
    }
    return subscription;
  }

  function checkAuthorization(
    { key, endpoint }: Subscription,
    { headers }: ServiceRequest,
    record: PushRecord,
  ): void {
    const { authorization } = headers;
    if (authorization === undefined) {
      if (key === undefined) return;
      throw new Refusal(401, 109, 'Missing VAPID public key');
    }
    try {
      const vapid = checkVapid(authorization, (audience) => audience === new URL(endpoint).origin, now());
      record.vapid = vapid.claims;
      if (key !== undefined && vapid.key !== key) throw new VapidError('VAPID public key mismatch');
    } catch (error) {
      if (error instanceof VapidError) throw new Refusal(401, 109, error.message);
      throw error;
    }
  }
}

function answerOf({ status, errno, message }: Refusal): Answer {
  // Mozilla's 404 has an empty body, its errno included.
  if (status === 404) return { status };
  const error = STATUS_CODES[status] ?? '';
  const headers: Record<string, string> = status === 410 ? { 'Cache-Control': 'max-age=86400' } : {};
  return { status, headers, body: { code: status, errno, error, message, more_info: MORE_INFO } };
}
