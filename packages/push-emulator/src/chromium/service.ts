import { randomBytes } from 'node:crypto';
import type { PushRecord } from '../journal.ts';
import type { Answer, Judgement, Service, ServiceRequest } from '../service.ts';
import { HeaderError, readPushHeaders } from '../webpush/headers.ts';
import type { Mailbox } from '../webpush/mailbox.ts';
import type { Subscription } from '../webpush/registry.ts';
import { checkVapid, normalizeKey, TOO_FAR_AHEAD, VapidError } from '../webpush/vapid.ts';
import {
  BAD_JWT,
  BAD_TTL,
  JWT_TOO_LONG,
  MISSING_AUTHORIZATION,
  NO_VAPID,
  REGISTRATION_ERRORS,
  registrationAnswer,
  textAnswer,
  WRONG_KEY,
} from './answers.ts';
import type { Devices } from './devices.ts';
import { decodeMessage, encodeMessage } from './messages.ts';

const MAX_BODY_BYTES = 4096;
const MAX_CHECKIN_BYTES = 256 * 1024;
const MAX_FORM_BYTES = 64 * 1024;
/** Four weeks. */
const MAX_TTL_SECONDS = 2_419_200;
const WEB_PUSH_SUBTYPE = 'wp:';
/** Hosts that builds of Chromium put before the token. */
const GOOGLE_HOST = /^https:\/\/([a-z0-9-]+\.)*(google|googleapis)\.com$/;

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message?: string) {
    super(message);
    this.status = status;
  }
}

export interface ChromiumOptions {
  readonly devices: Devices;
  readonly mailbox: Mailbox;
  readonly now: () => number;
}

/** Google's services for Chromium by HTTP: `/checkin` and `/register` for the browser, `/fcm/send/<token>` and `/wp/<token>` for senders. */
export function createChromium({ devices, mailbox, now }: ChromiumOptions): Service {
  const { registry } = devices;
  return {
    name: 'chromium',
    errorAnswer({ reason, status }) {
      if (reason === undefined) return status === undefined ? undefined : textAnswer(status);
      return REGISTRATION_ERRORS.includes(reason) ? registrationAnswer('Error', reason) : undefined;
    },
    route(method, path) {
      const [, token] = /^\/(?:fcm\/send|wp)\/([^/]+)$/.exec(path) ?? [];
      if (token !== undefined) {
        if (method !== 'POST') {
          return { kind: 'call', maxBody: 0, answer: () => textAnswer(405, 'POST is allowed.') };
        }
        return {
          kind: 'push',
          maxBody: MAX_BODY_BYTES,
          judge: (request, record) => judgePush(token, request, record),
        };
      }
      if (method !== 'POST') return undefined;
      if (path === '/checkin') return { kind: 'call', maxBody: MAX_CHECKIN_BYTES, answer: checkIn };
      if (path === '/register') return { kind: 'call', maxBody: MAX_FORM_BYTES, answer: register };
      return undefined;
    },
  };

  /** A browser that has an id keeps it: another one would make it doubt all that it knows. */
  function checkIn({ body }: ServiceRequest): Answer {
    let known: { id?: string; securityToken?: string };
    try {
      known = decodeMessage('CheckinRequest', body ?? Buffer.alloc(0));
    } catch {
      return textAnswer(400, 'no check-in request.');
    }
    const { id = '0', securityToken = '0' } = known;
    const isNew =
      id === '0' || !Number.isSafeInteger(Number(id)) || !Number.isSafeInteger(Number(securityToken));
    const ids = isNew ? devices.checkIn() : { androidId: id, securityToken };
    return {
      status: 200,
      headers: { 'Content-Type': 'application/x-protobuf' },
      body: encodeMessage('CheckinResponse', {
        statsOk: true,
        timeMs: now(),
        androidId: Number(ids.androidId),
        securityToken: Number(ids.securityToken),
      }),
    };
  }

  function register({ headers, body }: ServiceRequest): Answer {
    const [, androidId = '', securityToken = ''] =
      /^AidLogin (\d+):(\d+)$/.exec(headers.authorization ?? '') ?? [];
    const agent = devices.authenticate(androidId, securityToken);
    if (!agent) return registrationAnswer('Error', 'AUTHENTICATION_FAILED');
    const form = new URLSearchParams(String(body ?? ''));
    const subtype = form.get('X-subtype') ?? '';
    if (form.get('delete') === 'true') {
      const subscription = agent.channels.get(subtype);
      if (subscription) mailbox.gone(registry.end(subscription));
      return registrationAnswer('token', subscription?.token ?? subtype);
    }
    // Not a page's: the browser's own, which nothing is ever sent to.
    if (!subtype.startsWith(WEB_PUSH_SUBTYPE)) {
      return registrationAnswer('token', randomBytes(32).toString('base64url'));
    }
    const app = form.get('app') ?? '';
    const sender = form.get('sender') ?? '';
    const key = normalizeKey(sender);
    if (app === '' || (key === undefined && !/^\d+$/.test(sender))) {
      return registrationAnswer('Error', 'INVALID_SENDER');
    }
    const { token } = devices.register(agent, subtype, key, { app, sender });
    return registrationAnswer('token', token);
  }

  function judgePush(token: string, request: ServiceRequest, record: PushRecord): Judgement {
    record.target = `${request.origin}${request.path}`;
    record.endpoint = record.target;
    try {
      const subscription = check(token, request, record);
      const headers = {
        Location: `${request.origin}/${record.id}`,
        TTL: String(record.headers?.ttl),
        'Content-Type': 'text/html; charset=UTF-8',
      };
      return { answer: { status: 201, headers }, deliver: () => mailbox.accept(subscription, record) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const answer = textAnswer(error.status, error.message || undefined);
      return { answer, refusal: String(answer.body).trimEnd() };
    }
  }

  /** Fills in the record's headers and claims on the way. */
  function check(token: string, request: ServiceRequest, record: PushRecord): Subscription {
    const subscription = registry.find(token);
    if (!subscription) throw new Refusal(404);
    checkAuthorization(subscription, request, record);
    if (subscription.goneAt !== undefined) throw new Refusal(410);
    if (!request.body) throw new Refusal(413);
    try {
      record.headers = readPushHeaders(request.headers, request.body.length, MAX_TTL_SECONDS);
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      throw new Refusal(400, /TTL/.test(error.message) ? BAD_TTL : error.message);
    }
    return subscription;
  }

  function checkAuthorization(
    { key, endpoint }: Subscription,
    { headers, origin }: ServiceRequest,
    record: PushRecord,
  ): void {
    if (key === undefined) throw new Refusal(400, NO_VAPID);
    if (headers.authorization === undefined) throw new Refusal(401, MISSING_AUTHORIZATION);
    try {
      // The browser chose the origin; a sender may have been told to go to the emulator instead.
      const isRight = (audience: string) =>
        audience === origin || audience === new URL(endpoint).origin || GOOGLE_HOST.test(audience);
      const vapid = checkVapid(headers.authorization, isRight, now());
      record.vapid = vapid.claims;
      if (vapid.key !== key) throw new Refusal(403, WRONG_KEY);
    } catch (error) {
      if (!(error instanceof VapidError)) throw error;
      throw new Refusal(403, error.message === TOO_FAR_AHEAD ? JWT_TOO_LONG : BAD_JWT);
    }
  }
}
