import type { Migration } from '../database.ts';

/** Tables of the push notification API: who can be rung, and what is still to be sent. */
export const PUSH_MIGRATIONS: readonly Migration[] = [
  {
    name: '001_devices',
    sql: `
      CREATE TABLE carillon_devices (
        id text PRIMARY KEY,
        provider text NOT NULL,
        token text NOT NULL,
        platform text NOT NULL,
        user_id text NOT NULL DEFAULT '',
        timezone text NOT NULL DEFAULT '',
        locale text NOT NULL DEFAULT '',
        meta jsonb NOT NULL DEFAULT '{}',
        webpush_keys jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (provider, token)
      );
      CREATE INDEX carillon_devices_user ON carillon_devices (user_id, id);
      CREATE INDEX carillon_devices_platform ON carillon_devices (platform, id);
      CREATE INDEX carillon_devices_updated ON carillon_devices (updated_at);

      CREATE TABLE carillon_device_topics (
        id bigserial NOT NULL,
        device_id text NOT NULL REFERENCES carillon_devices (id) ON DELETE CASCADE,
        topic text NOT NULL,
        PRIMARY KEY (device_id, topic)
      );
      CREATE UNIQUE INDEX carillon_device_topics_id ON carillon_device_topics (id);
      CREATE INDEX carillon_device_topics_topic ON carillon_device_topics (topic text_pattern_ops, device_id);

      CREATE TABLE carillon_user_topics (
        id bigserial PRIMARY KEY,
        user_id text NOT NULL,
        topic text NOT NULL,
        UNIQUE (user_id, topic)
      );
      CREATE INDEX carillon_user_topics_topic ON carillon_user_topics (topic text_pattern_ops, id);`,
  },
  {
    name: '002_queue',
    sql: `
      CREATE TABLE carillon_pushes (
        uid text PRIMARY KEY,
        filter jsonb,
        messages jsonb NOT NULL,
        expire_at timestamptz,
        cancelled boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX carillon_pushes_created ON carillon_pushes (created_at);

      CREATE TABLE carillon_push_jobs (
        id bigserial PRIMARY KEY,
        lane text NOT NULL,
        uid text NOT NULL,
        ready_at timestamptz NOT NULL,
        locked_by text,
        attempt int NOT NULL DEFAULT 1,
        payload jsonb NOT NULL,
        settled int[] NOT NULL DEFAULT '{}'
      );
      CREATE INDEX carillon_push_jobs_ready ON carillon_push_jobs (lane, ready_at, id);
      CREATE INDEX carillon_push_jobs_uid ON carillon_push_jobs (uid);

      CREATE TABLE carillon_push_dead_letters (
        id bigserial PRIMARY KEY,
        uid text NOT NULL,
        provider text NOT NULL,
        device_id text NOT NULL DEFAULT '',
        code text NOT NULL,
        reason text NOT NULL DEFAULT '',
        attempts int NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX carillon_push_dead_letters_created ON carillon_push_dead_letters (created_at);`,
  },
  {
    name: '003_rendering',
    sql: 'ALTER TABLE carillon_pushes ADD COLUMN rendering jsonb',
  },
];
