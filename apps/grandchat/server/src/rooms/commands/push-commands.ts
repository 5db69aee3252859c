import type { Queryable } from 'carillon';
import { type MessagePushOptions, messagePush } from '../../push/message-push.ts';
import type { MessageShape } from '../shapes.ts';
import type { CommandTable } from './command-table.ts';

/** Commands about notifications. They go by a table in every mode: who is away has nothing else to hear of it by. */
export class PushCommands {
  readonly #table: CommandTable;
  readonly #options: MessagePushOptions;

  constructor(table: CommandTable, options: MessagePushOptions) {
    this.#table = table;
    this.#options = options;
  }

  /** Rings everybody bound to the room but the author. */
  async ring(tx: Queryable, message: MessageShape, roomName: string): Promise<void> {
    const { id, user, room } = message;
    await this.#table.add(tx, room.id, 'send_push_notification', {
      // The same for every delivery of this row, so that a repeat rings nobody twice.
      uid: `message_${id}`,
      recipient: { filter: { topics: [roomTopic(room.id)], exclude: { users: [String(user.id)] } } },
      notification: messagePush(message, roomName, this.#options),
    });
  }

  /** Binds a user to a room's notifications, or unbinds. */
  async bindTopic(tx: Queryable, roomId: number, userId: number, op: 'add' | 'remove'): Promise<void> {
    await this.#table.add(tx, roomId, 'user_topic_update', {
      user: String(userId),
      op,
      topics: [roomTopic(roomId)],
    });
  }

  /** Removes one device of a user; never more than that (an empty list would mean all). */
  async removeDevice(tx: Queryable, userId: number, deviceId: string): Promise<void> {
    await this.#table.add(tx, userId, 'device_remove', { ids: [deviceId], users: [String(userId)] });
  }
}

export const ROOM_TOPIC_PREFIX = 'chat:messages:';

export function roomTopic(roomId: number): string {
  return `${ROOM_TOPIC_PREFIX}${roomId}`;
}
