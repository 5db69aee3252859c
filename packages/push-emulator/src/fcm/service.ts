import { randomBytes, randomInt } from 'node:crypto';
import type { PushRecord } from '../journal.ts';
import { bearerToken } from '../oauth/access-tokens.ts';
import { type GoogleAccounts, maySendMessages, type Project } from '../oauth/google.ts';
import type { Answer, Judgement, Service, ServiceContext, ServiceRequest } from '../service.ts';
import {
  badToken,
  fcmErrorAnswer,
  invalid,
  json,
  malformed,
  noRecipient,
  notFound,
  permissionDenied,
  quotaExceeded,
  scopeInsufficient,
  senderIdMismatch,
  tooLarge,
  unauthenticated,
  unregistered,
  type Violation,
} from './errors.ts';
import { type FcmMessage, isTooLarge, SEND_REQUEST, targetsOf, violation } from './message.ts';
import { isWellFormed, type Phones } from './phones.ts';
import { readProto } from './proto-json.ts';
import type { Topics } from './topics.ts';
import { fitsWebPush, type WebPush, webPushOf } from './web-payload.ts';

const PATH = /^\/v1\/projects\/([^/]+)\/messages:send$/;
const MAX_BODY_BYTES = 256 * 1024;
const MINUTE_MS = 60_000;
/** Google's default for a project. */
const MESSAGES_A_MINUTE = 600_000;

/** A browser that has its token by the Firebase web SDK. */
export interface WebApp {
  readonly projectId: string;
  /** Posts the web push to the browser's push service. @param cause id of the record of the send */
  deliver(push: WebPush, cause: string): void;
}

export interface FcmOptions extends ServiceContext {
  readonly google: GoogleAccounts;
  readonly phones: Phones;
  readonly topics: Topics;
  /** A registration token or FID of a web app → that app; `gone` when it has ended. */
  readonly findWebApp: (address: string) => WebApp | 'gone' | undefined;
  /** Messages that a project may send in a minute; over it, 429. */
  readonly quotaPerMinute?: number;
}

/** Who gets a message, or the error that stands for nobody. */
type Audience =
  | { readonly webApps: readonly WebApp[]; readonly isTopic: boolean }
  | { readonly error: Answer };

/**
 * FCM's HTTP v1 API (vendors.md 1.2 to 1.5) for the projects that `google` handed out key files of. Checks in this order: access
 * token, project, permission, quota, JSON and types, recipient, values, size, token.
 */
export function createFcmService(options: FcmOptions): Service {
  const { google, phones, topics, findWebApp, quotaPerMinute = MESSAGES_A_MINUTE, now } = options;
  const minutes = new Map<string, { startedAt: number; count: number }>();

  function judge(name: string, request: ServiceRequest, record: PushRecord): Judgement {
    const project = authorize(name, request);
    if ('status' in project) return refuse(project);
    if (isOverQuota(project)) return refuse(quotaExceeded(project.number));
    if (!request.body) return refuse(tooLarge());
    const body = read(request.body);
    if ('status' in body) return refuse(body);
    const { message, validateOnly } = body;
    const [target] = targetsOf(message);
    if (target === undefined) return refuse(noRecipient());
    record.target = message[target] ?? '';
    record.payload = message;

    const wrong = violation(message);
    if (wrong) return refuse(invalid(wrong));
    if (isTooLarge(message)) return refuse(tooLarge());
    const audience = audienceOf(project, message);
    if ('error' in audience) return refuse(audience.error);
    const from = message.topic === undefined ? project.number : `/topics/${message.topic}`;
    const pushes = audience.webApps.map((app) => ({ app, push: webPushOf(message, from) }));
    if (pushes.some(({ push }) => !fitsWebPush(push))) return refuse(tooLarge());
    if (validateOnly) return { answer: success(project, 'fake_message_id') };
    const id = audience.isTopic ? String(randomInt(1e14)) : (pushes[0]?.push.id ?? messageId(now()));
    return {
      answer: success(project, id),
      deliver() {
        for (const { app, push } of pushes) app.deliver(push, record.id);
      },
    };
  }

  function authorize(name: string, request: ServiceRequest): Project | Answer {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) return unauthenticated('CREDENTIALS_MISSING');
    const grant = google.tokens.check(token);
    if (grant === 'unknown') return unauthenticated('ACCESS_TOKEN_TYPE_UNSUPPORTED');
    if (grant === 'expired') return unauthenticated('ACCESS_TOKEN_EXPIRED');
    if (!maySendMessages(grant.scope)) return scopeInsufficient();
    const project = google.project(name);
    if (!project) return notFound();
    const { owner } = grant;
    return owner.project === project && owner.maySend ? project : permissionDenied(name);
  }

  function isOverQuota({ id }: Project): boolean {
    const minute = minutes.get(id);
    if (!minute || now() - minute.startedAt >= MINUTE_MS) {
      minutes.set(id, { startedAt: now(), count: 1 });
      return quotaPerMinute < 1;
    }
    if (minute.count >= quotaPerMinute) return true;
    minute.count += 1;
    return false;
  }

  function audienceOf(project: Project, message: FcmMessage): Audience {
    const address = message.token ?? message.fid;
    if (address === undefined) {
      return {
        webApps: topics
          .members(project.id, message)
          .map(findWebApp)
          .filter((one) => typeof one === 'object'),
        isTopic: true,
      };
    }
    const phone = phones.find(address);
    const webApp = phone ? undefined : findWebApp(address);
    if (!phone && !webApp) return { error: isWellFormed(address) ? unregistered() : badToken() };
    if (webApp === 'gone') return { error: unregistered() };
    if ((phone?.project.id ?? webApp?.projectId) !== project.id) return { error: senderIdMismatch() };
    if (phone && !phone.isRegistered) return { error: unregistered() };
    return { webApps: webApp ? [webApp] : [], isTopic: false };
  }

  return {
    name: 'fcm',
    route(method, path) {
      const name = PATH.exec(path)?.[1];
      if (name === undefined) return topics.route(method, path);
      if (method !== 'POST') return { kind: 'call', maxBody: MAX_BODY_BYTES, answer: notFound };
      return {
        kind: 'push',
        maxBody: MAX_BODY_BYTES,
        judge: (request, record) => judge(name, request, record),
      };
    },
    errorAnswer: fcmErrorAnswer,
  };
}

/** The message with names in snake_case, or what is wrong with it. */
function read(body: Buffer): { message: FcmMessage; validateOnly: boolean } | Answer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    const description = 'Invalid JSON payload received. Unexpected end of string or token.';
    return malformed([{ field: '', description }]);
  }
  const violations: Violation[] = [];
  const request = readProto(parsed, SEND_REQUEST, '', violations) as
    | { message?: FcmMessage; validate_only?: boolean }
    | undefined;
  const message = request?.message ?? {};
  const [first, second] = targetsOf(message);
  if (second !== undefined) {
    const description = `Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '${second}'`;
    violations.push({ field: 'message', description });
  }
  if (violations.length > 0) return malformed(violations);
  if (first !== undefined && message[first] === '') return noRecipient();
  return { message, validateOnly: request?.validate_only === true };
}

function success(project: Project, id: string): Answer {
  return json(200, { name: `projects/${project.id}/messages/${id}` });
}

/** Microseconds, and what looks like two halves of one hash. */
function messageId(now: number): string {
  const half = randomBytes(4).toString('hex');
  return `0:${Math.floor(now)}${String(randomInt(1000)).padStart(3, '0')}%${half}${half}`;
}

function refuse(answer: Answer): Judgement {
  const { error } = JSON.parse(String(answer.body)) as { error: { message: string } };
  return { answer, refusal: error.message };
}
