import { parseCondition } from '../fcm/condition.ts';

/** What is wrong with a message: Huawei's code for it and words. */
export interface HmsRefusal {
  readonly code: string;
  readonly msg?: string;
}

export interface HmsMessage {
  readonly tokens: readonly string[];
  readonly topic?: string;
  readonly condition?: string;
}

type Fields = Readonly<Record<string, unknown>>;

const MAX_TOKENS = 1000;
const MAX_BYTES = 4096;
const MAX_TTL_SECONDS = 1_296_000;
/** Letters, digits and `_ . ~ %`, and Chinese; whether `-` is allowed is not clear, so it is. */
const TOPIC = /^[\p{Script=Han}A-Za-z0-9\-_.~%]{1,900}$/u;

/** Checks the `message` of a v1 or v2 send (vendors.md 3.2); gives whom it is for, or the first thing that is wrong. */
export function readMessage(message: unknown): HmsMessage | HmsRefusal {
  if (!isObject(message) || Object.keys(message).length === 0) return { code: '80300010' };
  const { token, topic, condition, ...rest } = message;
  const targets = [token, topic, condition].filter((target) => target !== undefined);
  if (targets.length === 0) return { code: '80300010' };
  if (targets.length > 1) return wrong('exactly one of token, topic and condition is allowed');
  if (token !== undefined && !isTokens(token)) return { code: '80300010' };
  if (topic !== undefined && !(typeof topic === 'string' && TOPIC.test(topic))) return wrong('topic');
  if (condition !== undefined && !(typeof condition === 'string' && parseCondition(condition))) {
    return wrong('condition');
  }
  const refusal = readContent(rest);
  if (refusal) return refusal;
  if (Buffer.byteLength(JSON.stringify(rest)) > MAX_BYTES) return { code: '80300008' };
  return {
    tokens: (token as string[] | undefined) ?? [],
    ...(topic !== undefined && { topic }),
    ...(condition !== undefined && { condition: condition as string }),
  };
}

function readContent({ data, notification, android, webpush, apns }: Fields): HmsRefusal | undefined {
  if (data !== undefined && typeof data !== 'string') return wrong('data must be a string');
  for (const [name, part] of Object.entries({ notification, android, webpush, apns })) {
    if (part !== undefined && !isObject(part)) return wrong(name);
  }
  if ([data, notification, android, webpush, apns].every((part) => part === undefined)) {
    return { code: '80100003' };
  }
  if (isObject(notification) && !isHttpsOrAbsent(notification.image)) return wrong('notification.image');
  return isObject(android) ? readAndroid(android, isObject(notification) ? notification : {}) : undefined;
}

function readAndroid(android: Fields, common: Fields): HmsRefusal | undefined {
  const { collapse_key: key, urgency, ttl, data, notification } = android;
  if (key !== undefined && !(Number.isInteger(key) && (key as number) >= -1 && (key as number) <= 100)) {
    return { code: '80100013' };
  }
  if (urgency !== undefined && urgency !== 'HIGH' && urgency !== 'NORMAL') return wrong('android.urgency');
  if (ttl !== undefined && !isTtl(ttl)) return wrong('android.ttl');
  if (data !== undefined && typeof data !== 'string') return wrong('android.data must be a string');
  if (notification === undefined) return undefined;
  if (!isObject(notification)) return wrong('android.notification');
  const { click_action: click, style, importance, buttons } = notification;
  if (!isObject(click) || ![1, 2, 3].includes(click.type as number)) {
    return wrong('android.notification.click_action');
  }
  if (click.type === 1 && typeof (click.intent ?? click.action) !== 'string') {
    return wrong('android.notification.click_action.intent');
  }
  if (click.type === 2 && (click.url === undefined || !isHttpsOrAbsent(click.url))) {
    return wrong('android.notification.click_action.url');
  }
  for (const name of ['title', 'body']) {
    if (typeof (notification[name] ?? common[name]) !== 'string')
      return wrong(`android.notification.${name}`);
  }
  if (style !== undefined && ![0, 1, 3].includes(style as number)) return wrong('android.notification.style');
  if (importance !== undefined && importance !== 'LOW' && importance !== 'NORMAL') {
    return wrong('android.notification.importance');
  }
  if (buttons !== undefined && !(Array.isArray(buttons) && buttons.length <= 3)) {
    return wrong('android.notification.buttons');
  }
  return undefined;
}

function isTokens(token: unknown): token is string[] {
  return (
    Array.isArray(token) &&
    token.length >= 1 &&
    token.length <= MAX_TOKENS &&
    token.every((one) => typeof one === 'string')
  );
}

/** Seconds, with or without `s`. */
function isTtl(ttl: unknown): boolean {
  const seconds = /^(\d{1,9}(?:\.\d+)?)s?$/.exec(String(ttl))?.[1];
  return typeof ttl === 'string' && seconds !== undefined && Number(seconds) <= MAX_TTL_SECONDS;
}

function isHttpsOrAbsent(url: unknown): boolean {
  return url === undefined || (typeof url === 'string' && URL.parse(url)?.protocol === 'https:');
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(what: string): HmsRefusal {
  return { code: '80100001', msg: `Invalid parameter: ${what}` };
}
