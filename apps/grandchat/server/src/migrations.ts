import type { Migration } from 'carillon';

/**
 * GrandChat's tables. Consumers read `chat_outbox` (all commands, in modes outbox and api), `chat_cdc` (the same, in modes cdc and
 * api_cdc; by the database's log) and `chat_push_outbox` (those about pushes, when real time is another server's); triggers
 * wake them.
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: '001_chat',
    sql: `
      CREATE TABLE chat_user (
        id bigserial PRIMARY KEY,
        username text NOT NULL,
        password text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX chat_user_username ON chat_user (lower(username));

      CREATE TABLE chat_session (
        token_hash text PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES chat_user (id) ON DELETE CASCADE,
        device_id text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX chat_session_user ON chat_session (user_id);
      CREATE INDEX chat_session_expires ON chat_session (expires_at);

      CREATE TABLE chat_room (
        id bigserial PRIMARY KEY,
        name text NOT NULL,
        version bigint NOT NULL DEFAULT 0,
        member_count bigint NOT NULL DEFAULT 0,
        last_message_id bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        bumped_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX chat_room_name ON chat_room (lower(name));

      CREATE TABLE chat_roommember (
        id bigserial PRIMARY KEY,
        room_id bigint NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
        user_id bigint NOT NULL REFERENCES chat_user (id) ON DELETE CASCADE,
        last_read_id bigint NOT NULL DEFAULT 0,
        joined_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (room_id, user_id)
      );
      CREATE INDEX chat_roommember_user ON chat_roommember (user_id);

      CREATE TABLE chat_message (
        id bigserial PRIMARY KEY,
        room_id bigint NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
        user_id bigint REFERENCES chat_user (id) ON DELETE SET NULL,
        content text NOT NULL,
        client_id text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
      );
      CREATE INDEX chat_message_room ON chat_message (room_id, id);
      CREATE UNIQUE INDEX chat_message_client_id ON chat_message (user_id, client_id);
      ALTER TABLE chat_room ADD FOREIGN KEY (last_message_id) REFERENCES chat_message (id) ON DELETE SET NULL;

      CREATE TABLE chat_outbox (
        id bigserial PRIMARY KEY,
        method text NOT NULL DEFAULT 'publish',
        payload jsonb NOT NULL,
        partition bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX chat_outbox_partition ON chat_outbox (partition, id);
      CREATE FUNCTION chat_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('centrifugo_partition_change', NEW.partition::text);
        RETURN NEW;
      END $$;
      CREATE TRIGGER chat_outbox_notify AFTER INSERT ON chat_outbox
        FOR EACH ROW EXECUTE FUNCTION chat_outbox_notify();`,
  },
  {
    name: '002_broadcast_modes',
    // Payloads are json, not jsonb: they are written and read whole, and a large one takes a third of the time.
    sql: `
      ALTER TABLE chat_outbox ALTER COLUMN payload TYPE json USING payload::json;
      CREATE TABLE chat_push_outbox (
        id bigserial PRIMARY KEY,
        method text NOT NULL,
        payload json NOT NULL,
        partition bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX chat_push_outbox_partition ON chat_push_outbox (partition, id);
      CREATE TABLE chat_cdc (
        id bigserial PRIMARY KEY,
        method text NOT NULL,
        payload json NOT NULL,
        partition bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX chat_cdc_partition ON chat_cdc (partition, id);
      DO $$ BEGIN
        EXECUTE 'ALTER TABLE chat_outbox ALTER COLUMN payload SET COMPRESSION lz4';
        EXECUTE 'ALTER TABLE chat_cdc ALTER COLUMN payload SET COMPRESSION lz4';
      EXCEPTION WHEN feature_not_supported OR syntax_error THEN
        -- A server without it compresses in its own way.
      END $$;

      DROP TRIGGER chat_outbox_notify ON chat_outbox;
      DROP FUNCTION chat_outbox_notify();
      CREATE FUNCTION chat_notify_partition() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify(TG_ARGV[0], NEW.partition::text);
        RETURN NEW;
      END $$;
      CREATE TRIGGER chat_outbox_notify AFTER INSERT ON chat_outbox
        FOR EACH ROW EXECUTE FUNCTION chat_notify_partition('centrifugo_partition_change');
      CREATE TRIGGER chat_push_outbox_notify AFTER INSERT ON chat_push_outbox
        FOR EACH ROW EXECUTE FUNCTION chat_notify_partition('chat_push_partition_change');

      -- What became of a big room's changes, until there are commands for all its members.
      ALTER TABLE chat_room ADD COLUMN is_big boolean NOT NULL DEFAULT false;
      CREATE TABLE chat_event (
        id bigserial PRIMARY KEY,
        room_id bigint NOT NULL REFERENCES chat_room (id) ON DELETE CASCADE,
        data json NOT NULL,
        idempotency_key text NOT NULL,
        to_members boolean NOT NULL,
        to_users bigint[] NOT NULL,
        -- Users up to this id have their commands.
        expanded_to bigint NOT NULL DEFAULT 0,
        pages bigint NOT NULL DEFAULT 0,
        -- Not before this partition has no row up to this id.
        waits_partition bigint,
        waits_id bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX chat_event_room ON chat_event (room_id, id);
      CREATE FUNCTION chat_event_notify() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('chat_event', '');
        RETURN NULL;
      END $$;
      CREATE TRIGGER chat_event_notify AFTER INSERT ON chat_event
        FOR EACH STATEMENT EXECUTE FUNCTION chat_event_notify();`,
  },
];
