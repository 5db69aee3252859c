import type { ApnsCertificateOptions, ApnsKeyOptions } from './apns/credentials.ts';
import type { DeviceOptions } from './apns/devices.ts';
import type { HmsApp } from './oauth/huawei.ts';
import type { VendorControls } from './vendors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What each path does with a body's fields; the result is the answer's body. */
const ACTIONS: Readonly<Record<string, (vendors: VendorControls, fields: Fields) => object>> = {
  'access-tokens/expire': (vendors) => {
    vendors.expireAccessTokens();
    return {};
  },
  'access-tokens/lifetime': (vendors, fields) => {
    vendors.setAccessTokenLifetime(integer(fields, 'seconds', 1, 86_400));
    return {};
  },
  'fcm/service-account': (vendors, fields) => {
    const { projectId, maySend } = fields;
    const options = {
      ...(projectId !== undefined && { projectId: text(fields, 'projectId') }),
      ...(maySend !== undefined && { maySend: maySend === true }),
    };
    return JSON.parse(vendors.serviceAccount(options)) as object;
  },
  'fcm/token': (vendors, fields) => {
    const token = vendors.fcm.createToken({ projectId: text(fields, 'projectId') });
    return { token, fid: vendors.fcm.fidOf(token) };
  },
  'fcm/unregister': (vendors, fields) => {
    vendors.fcm.unregister(text(fields, 'token'));
    return {};
  },
  'hms/app': (vendors, fields) =>
    vendors.hmsApp(fields.projectId === undefined ? {} : { projectId: text(fields, 'projectId') }),
  'hms/token': (vendors, fields) => {
    const app: HmsApp = {
      clientId: text(fields, 'clientId'),
      projectId: text(fields, 'projectId'),
      clientSecret: '',
    };
    return { token: vendors.hms.createToken(app) };
  },
  'hms/unregister': (vendors, fields) => {
    vendors.hms.unregister(text(fields, 'token'));
    return {};
  },
  'hms/errors': (vendors, fields) => {
    vendors.hms.answersErrorsAt200 = boolean(fields, 'at200');
    return {};
  },
  'apns/key': (vendors, fields) => {
    const { bundleIds, teamId, environment } = fields;
    return vendors.apnsKey({
      ...(bundleIds !== undefined && { bundleIds: texts(fields, 'bundleIds') }),
      ...(teamId !== undefined && { teamId: text(fields, 'teamId') }),
      ...(environment !== undefined && { environment: environmentOf(fields) }),
    } satisfies ApnsKeyOptions);
  },
  'apns/certificate': (vendors, fields) => {
    const { topics, environment, passphrase } = fields;
    const { p12, ...rest } = vendors.apnsCertificate({
      ...(topics !== undefined && { topics: texts(fields, 'topics') }),
      ...(environment !== undefined && { environment: environmentOf(fields) }),
      ...(passphrase !== undefined && { passphrase: text(fields, 'passphrase') }),
    } satisfies ApnsCertificateOptions);
    return { ...rest, p12: p12.toString('base64') };
  },
  'apns/token': (vendors, fields) => {
    const { environment, bytes } = fields;
    const token = vendors.apns.createToken({
      topic: text(fields, 'topic'),
      ...(environment !== undefined && { environment: environmentOf(fields) }),
      ...(bytes !== undefined && { bytes: integer(fields, 'bytes', 8, 1000) }),
    } satisfies DeviceOptions);
    return { token };
  },
  'apns/unregister': (vendors, fields) => {
    const { timestamp } = fields;
    const since = timestamp === undefined ? undefined : integer(fields, 'timestamp', 0, 1e15);
    vendors.apns.unregister(text(fields, 'token'), since);
    return {};
  },
  'apns/environment': (vendors, fields) => {
    vendors.apns.environment = environmentOf(fields);
    return {};
  },
  'apns/streams': (vendors, fields) => {
    const { count } = fields;
    vendors.apns.forceMaxStreams(count === null ? undefined : integer(fields, 'count', 0, 100_000));
    return {};
  },
  'apns/pings': (vendors, fields) => {
    vendors.apns.answerPings(boolean(fields, 'answered'));
    return {};
  },
  'apns/freeze': (vendors) => {
    vendors.apns.freeze();
    return {};
  },
  'apns/goaway': (vendors, fields) => {
    vendors.apns.goAway(fields.reason === undefined ? undefined : text(fields, 'reason'));
    return {};
  },
};

/**
 * The part of the remote control that is about credentials and virtual phones, each a POST below `/control/`:
 *
 *   fcm/service-account {projectId?, maySend?} → the key file · fcm/token {projectId} → {token, fid} · fcm/unregister {token}
 *   hms/app {projectId?} → {clientId, clientSecret, projectId} · hms/token {clientId, projectId} → {token} · hms/unregister {token}
 *   hms/errors {at200}
 *   apns/key {bundleIds?, teamId?, environment?} → {key, keyId, teamId} · apns/token {topic, environment?, bytes?} → {token}
 *   apns/certificate {topics?, environment?, passphrase?} → {key, cert, p12 (base64)} · apns/unregister {token, timestamp?}
 *   apns/environment {environment} · apns/streams {count: number or null} · apns/pings {answered} · apns/freeze · apns/goaway {reason?}
 *   access-tokens/expire · access-tokens/lifetime {seconds}
 *
 * @returns undefined when the path is none of these
 * @throws TypeError naming the field, its value and what is allowed
 */
export function controlVendors(vendors: VendorControls, path: string, body: unknown): object | undefined {
  const name = path.replace(/^\/control\//, '');
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) return undefined;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new TypeError(`the body is ${JSON.stringify(body)}: an object is expected`);
  }
  return action(vendors, body as Fields);
}

function wrong(fields: Fields, name: string, allowed: string): TypeError {
  return new TypeError(`${name} is ${JSON.stringify(fields[name])}: ${allowed}`);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value.length <= 4096) return value;
  throw wrong(fields, name, 'a text of up to 4096 characters is expected');
}

function texts(fields: Fields, name: string): string[] {
  const value = fields[name];
  const isList = Array.isArray(value) && value.length > 0 && value.length <= 100;
  if (isList && value.every((one) => typeof one === 'string' && one.length <= 255)) return value;
  throw wrong(fields, name, 'a list of 1 to 100 texts is expected');
}

function integer(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name] as number;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrong(fields, name, `${min} to ${max} is allowed`);
}

function boolean(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === 'boolean') return value;
  throw wrong(fields, name, 'true or false is expected');
}

function environmentOf(fields: Fields): 'development' | 'production' {
  const { environment } = fields;
  if (environment === 'development' || environment === 'production') return environment;
  throw wrong(fields, 'environment', 'development or production is allowed');
}
