import { unregistered as fcmUnregistered, tooLarge } from '../fcm/errors.ts';
import type { TargetCounter } from './counter.ts';

/** What the sink answers: as little as the vendor's form allows. */
export interface SinkAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' };
const FCM_PATH = /^\/v1\/projects\/([^/]+)\/messages:send/;
const APNS_PATH = '/3/device/';
const HMS_PATH = /^\/v[12]\/[^/]+\/messages:send/;
const TOKEN_PATHS = ['/token', '/oauth2/v3/token'];
const TOKEN_SECONDS = 3599;

const fcmGone = jsonOf(fcmUnregistered());
const fcmBad = jsonOf(tooLarge());
const apnsDone: SinkAnswer = { status: 200, headers: { 'apns-id': 'EABEAE54-14A8-11E5-B60B-1697F925EC7B' } };
const hmsDone = json(200, { code: '80000000', msg: 'Success', requestId: '157000000000000006' });
const hmsBad = json(200, { code: '80100003', msg: 'Illegal payload', requestId: '157000000000000006' });
const hmsGone = json(200, {
  code: '80300007',
  msg: 'All the tokens are invalid',
  requestId: '157000000000000006',
});
const webPushDone: SinkAnswer = { status: 201, headers: { location: '/m/1', ttl: '0' } };
const webPushGone: SinkAnswer = { status: 410, headers: {} };
const accessToken = json(200, { access_token: 'ya29.sink', expires_in: TOKEN_SECONDS, token_type: 'Bearer' });

/** A vendor's way to say that a push was taken, or that its target is gone. */
export interface SinkService {
  readonly needsBody: boolean;
  /** @param body latin1 */
  answer(path: string, body: string): SinkAnswer;
}

/** The services of a sink. @param share of the targets that are unregistered, always the same ones */
export function createSinkServices(counter: TargetCounter, share: number) {
  let gone = 0;
  const isGone = (text: string, start = 0, end = text.length) => {
    const isOne = counter.add(text, start, end) < share;
    if (isOne) gone += 1;
    return isOne;
  };
  const fcmAnswers = new Map<string, SinkAnswer>();
  const fcm: SinkService = {
    needsBody: true,
    answer(path, body) {
      const [start, end] = fcmTarget(body);
      if (end <= start) return fcmBad;
      return isGone(body, start, end) ? fcmGone : fcmSuccess(path, fcmAnswers);
    },
  };
  const apns: SinkService = {
    needsBody: false,
    answer: (path) => (isGone(path, APNS_PATH.length) ? apnsUnregistered() : apnsDone),
  };
  const hms: SinkService = {
    needsBody: true,
    answer(_, body) {
      const tokens = hmsTokens(body);
      if (!tokens) return hmsBad;
      const illegal = tokens.filter((token) => isGone(token));
      if (illegal.length === 0) return hmsDone;
      if (illegal.length === tokens.length) return hmsGone;
      const counts = {
        success: tokens.length - illegal.length,
        failure: illegal.length,
        illegal_tokens: illegal,
      };
      return json(200, { code: '80100000', msg: JSON.stringify(counts), requestId: '157000000000000006' });
    },
  };
  const webPush: SinkService = {
    needsBody: false,
    answer: (path) => (isGone(path) ? webPushGone : webPushDone),
  };
  const oauth: SinkService = { needsBody: false, answer: () => accessToken };

  return {
    /** The service of a path; everything that is nobody else's is an endpoint of web push. */
    find(path: string): SinkService {
      if (path.startsWith(APNS_PATH)) return apns;
      if (fcmAnswers.has(path) || FCM_PATH.test(path)) return fcm;
      if (HMS_PATH.test(path)) return hms;
      return TOKEN_PATHS.includes(path) ? oauth : webPush;
    },
    /** How many answers said that a target is gone. */
    get gone() {
      return gone;
    },
    clear() {
      gone = 0;
    },
  };
}

/** Where the one `token` of a message stands in its JSON; of a message to something else, all of it is the target. */
function fcmTarget(body: string): [start: number, end: number] {
  const key = body.indexOf('"token"');
  if (key < 0) return [0, body.length];
  if (body.indexOf('"token"', key + 1) >= 0) return slowFcmTarget(body);
  const start = body.indexOf('"', key + 7) + 1;
  return [start, body.indexOf('"', start)];
}

/** When `data` has a token of its own. */
function slowFcmTarget(body: string): [start: number, end: number] {
  try {
    const { message } = JSON.parse(body) as { message: { token: string } };
    const start = body.indexOf(`"${message.token}"`) + 1;
    return [start, start + message.token.length];
  } catch {
    return [0, 0];
  }
}

/** Without parsing the message around them: tokens have no escapes. */
function hmsTokens(body: string): string[] | undefined {
  const list = /"token"\s*:\s*\[([^\]]*)\]/.exec(body)?.[1];
  if (list === undefined)
    return body.includes('"topic"') || body.includes('"condition"') ? [body] : undefined;
  return list.split(',').map((item) => item.trim().slice(1, -1));
}

function fcmSuccess(path: string, known: Map<string, SinkAnswer>): SinkAnswer {
  let answer = known.get(path);
  if (!answer) {
    const project = FCM_PATH.exec(path)?.[1] ?? '';
    answer = json(200, { name: `projects/${project}/messages/0:1500415314455276%31bd1c9631bd1c96` });
    if (known.size < 100) known.set(path, answer);
  }
  return answer;
}

function apnsUnregistered(): SinkAnswer {
  return json(410, { reason: 'Unregistered', timestamp: Date.now() });
}

function json(status: number, body: object): SinkAnswer {
  return { status, headers: JSON_TYPE, body: Buffer.from(JSON.stringify(body)) };
}

function jsonOf({ status, body }: { status: number; body?: unknown }): SinkAnswer {
  return { status, headers: JSON_TYPE, body: Buffer.from(String(body)) };
}
