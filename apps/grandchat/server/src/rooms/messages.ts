import type { Database, Queryable } from 'carillon';
import type { SessionUser } from '../accounts/sessions.ts';
import { HttpError, invalid, notFound } from '../http/errors.ts';
import type { Commands } from './commands/mode.ts';
import type { Tell } from './commands/room-events.ts';
import { lockRoom } from './rooms.ts';
import {
  MESSAGE_COLUMNS,
  MESSAGE_FROM,
  type MessageRow,
  type MessageShape,
  messageShape,
  UNREAD_CAP,
} from './shapes.ts';
import { isVisible } from './text.ts';

const CONTENT_MAX = 4_000;
const CLIENT_ID = /^[A-Za-z0-9_-]{1,64}$/;
const UNIQUE_VIOLATION = '23505';

export interface ReadState {
  readonly unread_count: number;
  readonly last_read_id: number;
}

/** What is said in rooms, and how far each member has read. */
export class Messages {
  readonly #db: Database;
  readonly #commands: Commands;

  constructor(db: Database, commands: Commands) {
    this.#db = db;
    this.#commands = commands;
  }

  /**
   * Messages before one id (all when 0), newest first.
   * @throws HttpError 404 unless the user is a member
   */
  async page(
    roomId: number,
    userId: number,
    before: number,
    limit: number,
  ): Promise<{ count: number; messages: MessageShape[]; more: boolean }> {
    const [member] = await this.#db.query(
      'SELECT id FROM chat_roommember WHERE room_id = $1 AND user_id = $2',
      [roomId, userId],
    );
    if (!member) throw notFound('no such room, or not a member of it');
    const rows = await this.#db.query<MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM ${MESSAGE_FROM}
       WHERE x.room_id = $1 AND ($2::bigint = 0 OR x.id < $2) ORDER BY x.id DESC LIMIT $3`,
      [roomId, before, limit + 1],
    );
    const [total] = await this.#db.query<{ n: number }>(
      'SELECT count(*) AS n FROM chat_message WHERE room_id = $1',
      [roomId],
    );
    const more = rows.length > limit;
    return { count: total?.n ?? 0, messages: rows.slice(0, limit).map(messageShape), more };
  }

  /**
   * Writes a message, its event and its notification in one transaction. With a `clientId` that this user has used
   * before, the first message comes back and nothing is written.
   * @throws HttpError 400 naming the field, 404 unless a member, 409 when the client id was used in another room
   */
  async post(
    roomId: number,
    user: SessionUser,
    body: { content?: unknown; client_id?: unknown },
  ): Promise<{ message: MessageShape; isNew: boolean }> {
    const content = checkContent(body.content);
    const clientId = checkClientId(body.client_id);
    try {
      return await this.#commands.events.transaction((tx, tell) =>
        this.#write(tx, tell, roomId, user, content, clientId),
      );
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      // The same client id in two rooms at once: the other one was first.
      throw new HttpError(409, 'client_id: was used for a message of another room', { field: 'client_id' });
    }
  }

  /** Marks a room as read up to a message; never goes back. @throws HttpError 400, 404 */
  async markRead(roomId: number, user: SessionUser, messageId: unknown): Promise<ReadState> {
    if (!Number.isSafeInteger(messageId) || (messageId as number) < 0) {
      throw invalid('message_id', 'must be the id of a message');
    }
    return this.#commands.events.transaction(async (tx, tell) => {
      const [member] = await tx.query<{ last_read_id: number }>(
        'SELECT last_read_id FROM chat_roommember WHERE room_id = $1 AND user_id = $2 FOR UPDATE',
        [roomId, user.id],
      );
      if (!member) throw notFound('no such room, or not a member of it');
      const [row] = await tx.query<{ id: number }>(
        'SELECT coalesce(max(id), 0) AS id FROM chat_message WHERE room_id = $1 AND id <= $2',
        [roomId, messageId],
      );
      const lastReadId = Math.max(member.last_read_id, row?.id ?? 0);
      const state = {
        last_read_id: lastReadId,
        unread_count: await countUnread(tx, roomId, user.id, lastReadId),
      };
      if (lastReadId > member.last_read_id) {
        await tx.query('UPDATE chat_roommember SET last_read_id = $3 WHERE room_id = $1 AND user_id = $2', [
          roomId,
          user.id,
          lastReadId,
        ]);
        await tell({
          roomId,
          type: 'room_read',
          body: { room_id: roomId, ...state },
          idempotencyKey: `room_read_${roomId}_${lastReadId}`,
          toMembers: false,
          toUsers: [user.id],
        });
      }
      return state;
    });
  }

  async #write(
    tx: Queryable,
    tell: Tell,
    roomId: number,
    user: SessionUser,
    content: string,
    clientId: string | null,
  ) {
    if (!(await lockRoom(tx, roomId, user.id))) throw notFound('not a member of this room');
    if (clientId !== null) {
      const [earlier] = await tx.query<MessageRow>(
        `SELECT ${MESSAGE_COLUMNS} FROM ${MESSAGE_FROM} WHERE x.user_id = $1 AND x.client_id = $2`,
        [user.id, clientId],
      );
      if (earlier?.room_id === roomId) return { message: messageShape(earlier), isNew: false };
    }
    const [{ id }] = (await tx.query<{ id: number }>(
      'INSERT INTO chat_message (room_id, user_id, content, client_id) VALUES ($1, $2, $3, $4) RETURNING id',
      [roomId, user.id, content, clientId],
    )) as [{ id: number }];
    const [{ name }] = (await tx.query<{ name: string }>(
      `UPDATE chat_room SET version = version + 1, last_message_id = $2, bumped_at = clock_timestamp()
       WHERE id = $1 RETURNING name`,
      [roomId, id],
    )) as [{ name: string }];
    await tx.query('UPDATE chat_roommember SET last_read_id = $3 WHERE room_id = $1 AND user_id = $2', [
      roomId,
      user.id,
      id,
    ]);
    const [row] = await tx.query<MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM ${MESSAGE_FROM} WHERE x.id = $1`,
      [id],
    );
    const message = messageShape(row as MessageRow);
    await tell({
      roomId,
      type: 'message_added',
      body: message,
      idempotencyKey: `message_${id}`,
      toMembers: true,
      toUsers: [],
    });
    await this.#commands.push.ring(tx, message, name);
    return { message, isNew: true };
  }
}

async function countUnread(
  tx: Queryable,
  roomId: number,
  userId: number,
  lastReadId: number,
): Promise<number> {
  const [row] = await tx.query<{ n: number }>(
    `SELECT count(*) AS n FROM (
       SELECT FROM chat_message WHERE room_id = $1 AND id > $3 AND user_id IS DISTINCT FROM $2 LIMIT ${UNREAD_CAP}
     ) unread`,
    [roomId, userId, lastReadId],
  );
  return row?.n ?? 0;
}

function checkContent(content: unknown): string {
  if (typeof content !== 'string') throw invalid('content', 'must be text');
  const trimmed = content.replaceAll('\0', '').trim();
  const length = [...trimmed].length;
  if (length === 0 || length > CONTENT_MAX)
    throw invalid('content', `must have 1 to ${CONTENT_MAX} characters, got ${length}`);
  if (!isVisible(trimmed)) throw invalid('content', 'must have something to see');
  return trimmed;
}

function checkClientId(clientId: unknown): string | null {
  if (clientId === undefined || clientId === null) return null;
  if (typeof clientId !== 'string' || !CLIENT_ID.test(clientId)) {
    throw invalid('client_id', 'must be 1 to 64 letters, digits, "-" or "_"');
  }
  return clientId;
}
