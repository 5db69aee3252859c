import type { Migration } from '../database.ts';

/** Tables of the push notification API: who can be rung, how often, and what became of it. */
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
    name: '005_limits_and_statuses',
    sql: `
      CREATE TABLE carillon_push_rate_hits (
        bucket text NOT NULL,
        uid text NOT NULL,
        device_id text NOT NULL,
        at bigint NOT NULL,
        expires_at bigint NOT NULL,
        PRIMARY KEY (uid, device_id)
      );
      CREATE INDEX carillon_push_rate_hits_at ON carillon_push_rate_hits (bucket, at);
      CREATE INDEX carillon_push_rate_hits_expires ON carillon_push_rate_hits (expires_at);

      CREATE TABLE carillon_push_statuses (
        uid text NOT NULL,
        recipient text NOT NULL,
        analytics_uid text NOT NULL,
        provider text NOT NULL,
        status text NOT NULL,
        code text NOT NULL DEFAULT '',
        reason text NOT NULL DEFAULT '',
        message_id text NOT NULL DEFAULT '',
        attempts int NOT NULL DEFAULT 0,
        updated_at timestamptz NOT NULL DEFAULT now(),
        delivered_at timestamptz,
        interacted_at timestamptz,
        PRIMARY KEY (uid, recipient)
      );
      CREATE INDEX carillon_push_statuses_analytics ON carillon_push_statuses (analytics_uid, recipient);
      CREATE INDEX carillon_push_statuses_updated ON carillon_push_statuses (updated_at);`,
  },
  {
    name: '007_apps',
    sql: `
      ALTER TABLE carillon_devices ADD COLUMN app text NOT NULL DEFAULT '';
      CREATE INDEX carillon_devices_app ON carillon_devices (app, id);`,
  },
  {
    name: '009_providers',
    sql: 'CREATE INDEX carillon_devices_provider ON carillon_devices (provider, id)',
  },
  {
    // A function, because each of its statements sees what was committed before it: the topics are read after the lock was had,
    // which one statement with several parts would not do.
    name: '010_register_device',
    sql: `
      CREATE FUNCTION carillon_register_device(
        known_id text, new_id text, new_provider text, new_token text, new_platform text, new_user text, new_timezone text,
        new_locale text, new_meta jsonb, new_keys jsonb, new_app text, own_topics text[]
      ) RETURNS text LANGUAGE plpgsql AS $$
      DECLARE
        device text;
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('carillon user topics'), hashtext(new_user));
        IF known_id <> '' THEN
          SELECT d.id INTO device FROM carillon_devices d WHERE d.id = known_id FOR UPDATE;
        END IF;
        IF device IS NOT NULL THEN
          DELETE FROM carillon_devices d WHERE d.provider = new_provider AND d.token = new_token AND d.id <> device;
          UPDATE carillon_devices d SET (provider, token, platform, user_id, timezone, locale, meta, webpush_keys, app, updated_at) =
            (new_provider, new_token, new_platform, new_user, new_timezone, new_locale, new_meta, new_keys, new_app, now())
            WHERE d.id = device;
        ELSE
          INSERT INTO carillon_devices AS d
              (id, provider, token, platform, user_id, timezone, locale, meta, webpush_keys, app)
            VALUES (new_id, new_provider, new_token, new_platform, new_user, new_timezone, new_locale, new_meta, new_keys, new_app)
            ON CONFLICT (provider, token) DO UPDATE SET
              (platform, user_id, timezone, locale, meta, webpush_keys, app, updated_at) =
              (new_platform, new_user, new_timezone, new_locale, new_meta, new_keys, new_app, now())
            RETURNING d.id INTO device;
        END IF;
        WITH wanted AS (
          SELECT unnest(own_topics) AS topic
          UNION SELECT u.topic FROM carillon_user_topics u WHERE u.user_id = new_user OR u.user_id = ''
        ), dropped AS (
          DELETE FROM carillon_device_topics t WHERE t.device_id = device AND t.topic NOT IN (SELECT w.topic FROM wanted w)
        )
        INSERT INTO carillon_device_topics (device_id, topic) SELECT device, w.topic FROM wanted w ON CONFLICT DO NOTHING;
        RETURN device;
      END
      $$`,
  },
  {
    // Few pushes have an analytics uid of their own, and rows come in the order of time: an entry in either of the former indexes
    // for each row was a third of what recording it cost (17.5 µs, without them 12.5).
    name: '011_lighter_statuses',
    sql: `
      DROP INDEX carillon_push_statuses_analytics, carillon_push_statuses_updated;
      CREATE INDEX carillon_push_statuses_analytics ON carillon_push_statuses (analytics_uid, recipient)
        WHERE analytics_uid <> uid;
      CREATE INDEX carillon_push_statuses_updated ON carillon_push_statuses USING brin (updated_at);`,
  },
];
