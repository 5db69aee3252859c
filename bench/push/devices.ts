/** Devices whose push service is the sink: who has which endpoint, and how they come into the registry. */
import { createECDH, randomBytes } from 'node:crypto';
import { type Database, migrate } from '../../packages/carillon/src/index.ts';
import { newDeviceId } from '../../packages/carillon/src/push/devices/device-id.ts';
import { PUSH_MIGRATIONS } from '../../packages/carillon/src/storage/migrations/push.ts';
import type { CarillonProcess } from '../support/carillon.ts';
import { ENDPOINT_PATH, SET_DIGITS } from './sink-messages.ts';

export interface Subscription {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** Devices that have a topic of their own; `set` is its number in their endpoints. */
export interface Audience {
  readonly set: number;
  readonly topic: string;
  readonly count: number;
}

export function audience(count: number): Audience {
  return { set: count, topic: `audience-${count}`, count };
}

/** So many that an endpoint is as long as the real ones, about 190 characters. */
const ENDPOINT_FILLER = 'x'.repeat(150);
const KEY_PAIRS = 500;
const API_BATCH = 500;
const SQL_BATCH = 5_000;
/** Up to this many are registered as an app would do it. */
const MAX_BY_API = 1_000;

/** Key pairs repeat after 500 devices: what a push costs does not depend on whose they are. */
const keyPairs = Array.from({ length: KEY_PAIRS }, () => ({
  p256dh: createECDH('prime256v1').generateKeys('base64url'),
  auth: randomBytes(16).toString('base64url'),
}));

/** The conditions that this file sets. */
export const DEVICE_CONDITIONS = `devices: endpoints of about 190 characters, ${KEY_PAIRS} key pairs in turn; up to ${MAX_BY_API} registered by device_register, more inserted by SQL and analyzed`;

export function subscription(origin: string, set: number, index: number): Subscription {
  const digits = (value: number) => String(value).padStart(SET_DIGITS, '0');
  return {
    endpoint: `${origin}${ENDPOINT_PATH}${digits(set)}${digits(index)}${ENDPOINT_FILLER}`,
    keys: keyPairs[index % KEY_PAIRS] as Subscription['keys'],
  };
}

/** Whether an audience is registered through the API; a larger one has to be in the database before. */
export function isRegisteredByApi({ count }: Audience): boolean {
  return count <= MAX_BY_API;
}

export async function registerByApi(
  carillon: CarillonProcess,
  origin: string,
  { set, topic, count }: Audience,
): Promise<void> {
  for (let start = 0; start < count; start += API_BATCH) {
    const indexes = Array.from({ length: Math.min(API_BATCH, count - start) }, (_, n) => start + n);
    await carillon.batch(
      indexes.map((index) => ({
        device_register: {
          provider: 'webpush',
          platform: 'web',
          token: JSON.stringify(subscription(origin, set, index)),
          user: `user-${index}`,
          topics: [topic],
        },
      })),
    );
  }
}

/** Inserts an audience into an empty or older database; rows are those that `device_register` would make. */
export async function insertBySql(
  db: Database,
  origin: string,
  { set, topic, count }: Audience,
): Promise<void> {
  await migrate(db, 'carillon', PUSH_MIGRATIONS);
  for (let start = 0; start < count; start += SQL_BATCH) {
    const indexes = Array.from({ length: Math.min(SQL_BATCH, count - start) }, (_, n) => start + n);
    const subscriptions = indexes.map((index) => subscription(origin, set, index));
    await db.query(
      `WITH added AS (
         INSERT INTO carillon_devices (id, provider, token, platform, user_id, webpush_keys)
         SELECT x.id, 'webpush', x.token, 'web', x.user_id, x.keys::jsonb
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS x(id, token, user_id, keys) RETURNING id
       )
       INSERT INTO carillon_device_topics (device_id, topic) SELECT id, $5 FROM added`,
      [
        indexes.map(() => newDeviceId('webpush')),
        subscriptions.map(({ endpoint }) => endpoint),
        indexes.map((index) => `user-${index}`),
        subscriptions.map(({ keys }) => JSON.stringify(keys)),
        topic,
      ],
    );
  }
  await db.exec('ANALYZE carillon_devices; ANALYZE carillon_device_topics');
}
