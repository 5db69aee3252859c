import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Faults } from '../faults.ts';
import { readBody } from '../http.ts';
import type { Journal, PushRecord } from '../journal.ts';
import { HeaderError, readPushHeaders } from '../webpush/headers.ts';
import { checkVapid, VapidError } from '../webpush/vapid.ts';
import type { Mailbox } from './mailbox.ts';
import type { Registry, Subscription } from './registry.ts';

const MAX_BODY_BYTES = 4096;
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

export interface EndpointOptions {
  readonly registry: Registry;
  readonly mailbox: Mailbox;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly origin: () => string;
  readonly now: () => number;
  /** Ends delays when the emulator closes. */
  readonly closing: AbortSignal;
}

/**
 * The senders' side of Mozilla's service: `POST /wpush/v2/<token>` (`v1` for subscriptions without a VAPID key) and
 * `DELETE /m/<id>`. Its checks come in the order of the original: token, VAPID, key, subscription, size, headers.
 */
export function createEndpoint(options: EndpointOptions) {
  const { registry, mailbox, journal, faults, origin, now, closing } = options;

  /** @param path the URL's, e.g. `/wpush/v2/abc`. Returns false when it is none of ours */
  return async function handle(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<boolean> {
    const [, version, token] = /^\/wpush\/(v1|v2)\/([^/]+)$/.exec(path) ?? [];
    const [, messageId] = /^\/m\/([^/]+)$/.exec(path) ?? [];
    if (token !== undefined) {
      if (request.method !== 'POST') refuse(response, new Refusal(405, null, 'POST is allowed'));
      else await push(`${origin()}${path}`, version!, token, request, response);
    } else if (messageId !== undefined) {
      if (request.method !== 'DELETE') refuse(response, new Refusal(405, null, 'DELETE is allowed'));
      else if (mailbox.delete(registry.subscriptions(), messageId)) response.writeHead(204).end();
      else refuse(response, new Refusal(404, 102, 'No such message'));
    } else {
      return false;
    }
    return true;
  };

  async function push(
    endpoint: string,
    version: string,
    token: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const record: PushRecord = {
      id: randomUUID(),
      endpoint,
      receivedAt: now(),
      state: 'received',
      body: Buffer.alloc(0),
      sentAt: [],
    };
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body) record.body = body;
    journal.add(record);

    const fault = faults.take();
    if (fault?.kind === 'delay') await sleep(fault.ms, undefined, { signal: closing }).catch(() => {});
    const disturbs = fault !== undefined && fault.kind !== 'delay';
    if (disturbs && fault.after !== 'delivery') return disturb(fault, record, response);
    try {
      const subscription = check(version, token, request, record, body);
      mailbox.accept(subscription, record);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      Object.assign(record, { state: 'refused', status: error.status, reason: error.message });
      journal.changed(record);
      return refuse(response, error);
    }
    if (disturbs) return disturb(fault, record, response);
    record.status = 201;
    journal.changed(record);
    response
      .writeHead(201, {
        Location: `${origin()}/m/${record.id}`,
        TTL: String(record.headers?.ttl),
        'Content-Length': 0,
      })
      .end();
  }

  /** Fills in the record's headers and claims on the way. */
  function check(
    version: string,
    token: string,
    request: IncomingMessage,
    record: PushRecord,
    body: Buffer | undefined,
  ): Subscription {
    const subscription = registry.find(token);
    if (!subscription || version !== (subscription.key ? 'v2' : 'v1')) {
      throw new Refusal(404, 102, 'Invalid token');
    }
    checkAuthorization(subscription, request, record);
    if (subscription.goneAt !== undefined) throw new Refusal(410, 106, 'No such subscription');
    if (!body) throw new Refusal(413, 104, 'Payload too large');
    try {
      record.headers = readPushHeaders(request.headers, body.length);
    } catch (error) {
      if (error instanceof HeaderError) throw new Refusal(400, error.errno, error.message);
      throw error;
    }
    return subscription;
  }

  function checkAuthorization({ key }: Subscription, request: IncomingMessage, record: PushRecord): void {
    const { authorization } = request.headers;
    if (authorization === undefined) {
      if (key === undefined) return;
      throw new Refusal(401, 109, 'Missing VAPID public key');
    }
    try {
      const vapid = checkVapid(authorization, origin(), now());
      record.vapid = vapid.claims;
      if (key !== undefined && vapid.key !== key) throw new VapidError('VAPID public key mismatch');
    } catch (error) {
      if (error instanceof VapidError) throw new Refusal(401, 109, error.message);
      throw error;
    }
  }

  function disturb(fault: Fault, record: PushRecord, response: ServerResponse): void {
    const delivered = fault.after === 'delivery';
    if (fault.kind === 'status') {
      const status = fault.status ?? 503;
      record.status = status;
      record.reason = 'fault on request';
      if (!delivered) record.state = 'refused';
      if (fault.retryAfter !== undefined) response.setHeader('Retry-After', fault.retryAfter);
      refuse(response, new Refusal(status, null, record.reason));
    } else {
      if (!delivered) record.state = 'unanswered';
      if (fault.kind === 'reset') response.destroy();
    }
    journal.changed(record);
  }
}

function refuse(response: ServerResponse, { status, errno, message }: Refusal): void {
  if (status === 410) response.setHeader('Cache-Control', 'max-age=86400');
  response.statusCode = status;
  // Mozilla's 404 has an empty body, its errno included.
  if (status === 404) return void response.end();
  response.setHeader('Content-Type', 'application/json');
  response.end(
    JSON.stringify({ code: status, errno, error: STATUS_CODES[status] ?? '', message, more_info: MORE_INFO }),
  );
}
