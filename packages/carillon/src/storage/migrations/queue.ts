import type { Migration } from '../database.ts';

/** Tables of the push queue on PostgreSQL; their names begin with `prefix`. */
export function queueMigrations(prefix = ''): readonly Migration[] {
  const pushes = `${prefix}carillon_pushes`;
  const jobs = `${prefix}carillon_push_jobs`;
  const letters = `${prefix}carillon_push_dead_letters`;
  return [
    {
      name: '002_queue',
      sql: `
        CREATE TABLE ${pushes} (
          uid text PRIMARY KEY,
          filter jsonb,
          messages jsonb NOT NULL,
          expire_at timestamptz,
          cancelled boolean NOT NULL DEFAULT false,
          created_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX ${pushes}_created ON ${pushes} (created_at);

        CREATE TABLE ${jobs} (
          id bigserial PRIMARY KEY,
          lane text NOT NULL,
          uid text NOT NULL,
          ready_at timestamptz NOT NULL,
          locked_by text,
          attempt int NOT NULL DEFAULT 1,
          payload jsonb NOT NULL,
          settled int[] NOT NULL DEFAULT '{}'
        );
        CREATE INDEX ${jobs}_ready ON ${jobs} (lane, ready_at, id);
        CREATE INDEX ${jobs}_uid ON ${jobs} (uid);

        CREATE TABLE ${letters} (
          id bigserial PRIMARY KEY,
          uid text NOT NULL,
          provider text NOT NULL,
          device_id text NOT NULL DEFAULT '',
          code text NOT NULL,
          reason text NOT NULL DEFAULT '',
          attempts int NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX ${letters}_created ON ${letters} (created_at);`,
    },
    { name: '003_rendering', sql: `ALTER TABLE ${pushes} ADD COLUMN rendering jsonb` },
    {
      // `json` keeps a payload's text as it was given; `jsonb` would refuse the character NUL and sort keys.
      name: '004_push_record',
      sql: `
        ALTER TABLE ${pushes} ADD COLUMN record json;
        UPDATE ${pushes} SET record = json_build_object(
          'uid', uid, 'analyticsUid', uid, 'recipientType', CASE WHEN filter IS NULL THEN 'webpush_tokens' ELSE 'filter' END,
          'filter', filter, 'messages', messages, 'rendering', rendering, 'limits', NULL, 'sendAt', 0,
          'acceptedAt', floor(extract(epoch FROM created_at) * 1000),
          'expireAt', coalesce(floor(extract(epoch FROM expire_at) * 1000), 0));
        ALTER TABLE ${pushes} ALTER COLUMN record SET NOT NULL, DROP COLUMN filter, DROP COLUMN messages,
          DROP COLUMN expire_at, DROP COLUMN rendering;
        ALTER TABLE ${jobs} ALTER COLUMN payload TYPE json;`,
    },
    { name: '006_dead_letters_by_push', sql: `CREATE INDEX ${letters}_uid ON ${letters} (uid, id)` },
    { name: '008_expired', sql: `ALTER TABLE ${pushes} ADD COLUMN expired boolean NOT NULL DEFAULT false` },
  ];
}
