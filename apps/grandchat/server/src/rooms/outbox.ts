import type { Queryable } from 'carillon';
import { type MessagePushOptions, messagePush } from '../push/message-push.ts';
import type { MessageShape } from './shapes.ts';

/** Channels in one outbox row: a room of any size becomes rows of a bounded one. */
const CHANNELS_PER_ROW = 1_000;

export interface OutboxOptions extends MessagePushOptions {
  readonly partitions: number;
}

/**
 * Commands for Carillon, written in the same transaction as the change they tell of. All commands of a room are in one
 * partition, so they are carried out in the order in which the room changed.
 */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /**
   * Tells every member of a room. The list of members never leaves the database; chunks are by user, and each repeats the
   * idempotency key, which counts per channel.
   */
  async broadcast(tx: Queryable, roomId: number, type: string, body: object, key: string): Promise<void> {
    await tx.query(
      `WITH members AS (SELECT user_id, count(*) OVER () AS total FROM chat_roommember WHERE room_id = $1)
       INSERT INTO chat_outbox (method, payload, partition)
       SELECT 'broadcast', jsonb_build_object(
         'channels', jsonb_agg('personal:' || user_id ORDER BY user_id), 'data', $2::jsonb, 'idempotency_key', $3::text
       ), $4::bigint
       FROM members GROUP BY user_id % (total / ${CHANNELS_PER_ROW} + 1)`,
      [roomId, JSON.stringify({ type, body }), key, this.#partition(roomId)],
    );
  }

  /** Tells one user, on all of that user's connections. */
  async tellUser(
    tx: Queryable,
    roomId: number,
    userId: number,
    type: string,
    body: object,
    key: string,
  ): Promise<void> {
    await this.#add(tx, roomId, 'publish', {
      channel: `personal:${userId}`,
      data: { type, body },
      idempotency_key: key,
    });
  }

  /** Rings everybody bound to the room but the author. */
  async ring(tx: Queryable, message: MessageShape, roomName: string): Promise<void> {
    const { id, user, room } = message;
    await this.#add(tx, room.id, 'send_push_notification', {
      // The same for every delivery of this row, so that a repeat rings nobody twice.
      uid: `message_${id}`,
      recipient: { filter: { topics: [roomTopic(room.id)], exclude: { users: [String(user.id)] } } },
      notification: messagePush(message, roomName, this.#options),
    });
  }

  /** Binds a user to a room's notifications, or unbinds. */
  async bindTopic(tx: Queryable, roomId: number, userId: number, op: 'add' | 'remove'): Promise<void> {
    await this.#add(tx, roomId, 'user_topic_update', {
      user: String(userId),
      op,
      topics: [roomTopic(roomId)],
    });
  }

  /** Removes one device of a user; never more than that (an empty list would mean all). */
  async removeDevice(tx: Queryable, userId: number, deviceId: string): Promise<void> {
    await this.#add(tx, userId, 'device_remove', { ids: [deviceId], users: [String(userId)] });
  }

  async #add(tx: Queryable, key: number, method: string, payload: object): Promise<void> {
    await tx.query('INSERT INTO chat_outbox (method, payload, partition) VALUES ($1, $2::jsonb, $3)', [
      method,
      JSON.stringify(payload),
      this.#partition(key),
    ]);
  }

  #partition(key: number): number {
    return key % this.#options.partitions;
  }
}

export const ROOM_TOPIC_PREFIX = 'chat:messages:';

export function roomTopic(roomId: number): string {
  return `${ROOM_TOPIC_PREFIX}${roomId}`;
}
