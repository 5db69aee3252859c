/** A registry of a million devices, made by SQL: enough to tell an index from a walk through everything. */
import { type Database, migrate } from '../../packages/carillon/src/index.ts';
import { PUSH_MIGRATIONS } from '../../packages/carillon/src/storage/migrations/push.ts';
import type { Progress } from '../support/progress.ts';

export const DEVICES = 1_000_000;

/** What the conditions say of the content. */
export const MILLION_CONDITIONS =
  '1,000,000 devices of 500,000 users: 50 % fcm, 25 % apns, 25 % webpush, 100 hms; 25 % web, 74 % android and ios, 1 % of another platform; 2 % in an app of its own; topics "all" (everybody), "room-N" (1,000 each), "pair-N" (2 each); 2 topics a user';

/** A device's id from its number `n`: as `device_register` makes them, in the order of their making. */
export function deviceId(n: number): string {
  return `${providerOf(n)}-0${String(n).padStart(25, '0')}`;
}

function providerOf(n: number): string {
  if (n % 10_000 === 0) return 'hms';
  return ['fcm', 'fcm', 'apns', 'webpush'][n % 4] as string;
}

export async function fillMillion(db: Database, progress: Progress): Promise<void> {
  await migrate(db, 'carillon', PUSH_MIGRATIONS);
  const provider = `CASE WHEN n % 10000 = 0 THEN 'hms' ELSE (ARRAY['fcm', 'fcm', 'apns', 'webpush'])[n % 4 + 1] END`;
  const id = `${provider} || '-0' || lpad(n::text, 25, '0')`;
  const platform = `CASE WHEN n % 100 = 99 THEN 'other' WHEN n % 4 = 3 THEN 'web' WHEN n % 4 = 2 THEN 'ios' ELSE 'android' END`;
  const steps: readonly (readonly [string, string])[] = [
    [
      'devices',
      `INSERT INTO carillon_devices (id, provider, app, token, platform, user_id, timezone, locale, created_at, updated_at)
       SELECT ${id}, ${provider}, CASE WHEN n % 50 = 7 THEN 'shop' ELSE '' END, 'token-' || md5(n::text) || md5((n + 1)::text), ${platform},
              'user-' || n / 2, 'Europe/Berlin', 'de-DE', now() - n * interval '1 second', now() - n * interval '1 second'
       FROM generate_series(0, ${DEVICES - 1}) AS n`,
    ],
    [
      'their topics',
      `INSERT INTO carillon_device_topics (device_id, topic)
       SELECT ${id}, topic FROM generate_series(0, ${DEVICES - 1}) AS n
       CROSS JOIN LATERAL (VALUES ('all'), ('room-' || n % 1000), ('pair-' || n / 2)) AS t(topic)`,
    ],
    [
      "users' topics",
      `INSERT INTO carillon_user_topics (user_id, topic)
       SELECT 'user-' || n, topic FROM generate_series(0, ${DEVICES / 2 - 1}) AS n
       CROSS JOIN LATERAL (VALUES ('all'), ('room-' || n % 1000)) AS t(topic)`,
    ],
    ['vacuum', 'VACUUM ANALYZE carillon_devices'],
    ['vacuum', 'VACUUM ANALYZE carillon_device_topics'],
    ['vacuum', 'VACUUM ANALYZE carillon_user_topics'],
  ];
  for (const [words, sql] of steps) {
    progress.step(`a million devices: ${words}`);
    await db.exec(sql);
  }
}
