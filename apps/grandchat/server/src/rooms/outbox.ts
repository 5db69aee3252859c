import type { Queryable } from 'carillon';
import type { MessageShape } from './shapes.ts';

/** Channels in one outbox row: a room of any size becomes rows of a bounded one. */
const CHANNELS_PER_ROW = 1_000;
const PUSH_TEXT_LENGTH = 300;
const PUSH_LIFETIME_S = 24 * 3600;

export interface OutboxOptions {
  readonly partitions: number;
  /** Where people reach GrandChat; for links in notifications. */
  readonly origin: string;
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
    const text = cut(message.content);
    const tag = `room-${room.id}`;
    await this.#add(tx, room.id, 'send_push_notification', {
      // The same for every delivery of this row, so that a repeat rings nobody twice.
      uid: `message_${id}`,
      recipient: { filter: { topics: [roomTopic(room.id)], exclude: { users: [String(user.id)] } } },
      notification: {
        expire_at: Math.floor(Date.now() / 1000) + PUSH_LIFETIME_S,
        webpush: {
          headers: { TTL: String(PUSH_LIFETIME_S), Urgency: 'high', Topic: tag },
          payload: {
            web_push: 8030,
            notification: {
              title: roomName,
              body: `${user.username}: ${text}`,
              navigate: `${this.#options.origin}/rooms/${room.id}`,
              tag,
              data: {
                type: 'message',
                room_id: room.id,
                room_name: roomName,
                message_id: id,
                author: user.username,
                text,
              },
            },
          },
        },
      },
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

/** The beginning of a text, for a notification: whole characters, no control characters. */
export function cut(text: string): string {
  const characters = [...text.replace(/\p{Cc}+/gu, ' ')];
  if (characters.length <= PUSH_TEXT_LENGTH) return characters.join('');
  return `${characters.slice(0, PUSH_TEXT_LENGTH - 1).join('')}…`;
}
