import type { Database, Queryable } from 'carillon';
import type { SessionUser } from '../accounts/sessions.ts';
import { HttpError, invalid, notFound } from '../http/errors.ts';
import type { Commands } from './commands/mode.ts';
import type { Tell } from './commands/room-events.ts';
import {
  isoTime,
  ROOM_COLUMNS,
  ROOM_FROM,
  type RoomRow,
  type RoomShape,
  roomShape,
  sharedRoomShape,
  type UserShape,
} from './shapes.ts';
import { isLabel } from './text.ts';

const UNIQUE_VIOLATION = '23505';
const NAME_MAX = 100;

export interface MemberShape {
  readonly room: RoomShape;
  readonly user: UserShape;
}

export interface SearchResult {
  readonly id: number;
  readonly name: string;
  readonly created_at: string;
  readonly member_count: number;
  readonly is_member: boolean;
}

/**
 * Rooms and who is in them. Every change locks the room's row first, so changes of one room happen one after another
 * and `version` rises by one with each.
 */
export class Rooms {
  readonly #db: Database;
  readonly #commands: Commands;

  constructor(db: Database, commands: Commands) {
    this.#db = db;
    this.#commands = commands;
  }

  /** A user's rooms, newest first. */
  async list(userId: number, limit: number, offset: number): Promise<{ count: number; rooms: RoomShape[] }> {
    const rows = await this.#db.query<RoomRow>(
      `SELECT ${ROOM_COLUMNS} FROM ${ROOM_FROM} WHERE m.user_id = $1 ORDER BY r.bumped_at DESC, r.id DESC LIMIT $2 OFFSET $3`,
      [userId, limit, offset],
    );
    const [total] = await this.#db.query<{ n: number }>(
      'SELECT count(*) AS n FROM chat_roommember WHERE user_id = $1',
      [userId],
    );
    return { count: total?.n ?? 0, rooms: rows.map(roomShape) };
  }

  /** @throws HttpError 404 unless the user is a member */
  async get(roomId: number, userId: number): Promise<RoomShape> {
    return roomShape(await memberView(this.#db, roomId, userId));
  }

  /** All rooms by name; `query` matches anywhere in it, without case. */
  async search(
    userId: number,
    query: string,
    limit: number,
    offset: number,
  ): Promise<{ count: number; rooms: SearchResult[] }> {
    const pattern = `%${query.replace(/[\\%_]/g, '\\$&')}%`;
    const rooms = await this.#db.query<SearchResult>(
      `SELECT r.id, r.name, ${isoTime('r.created_at')} AS created_at, r.member_count,
              EXISTS (SELECT FROM chat_roommember m WHERE m.room_id = r.id AND m.user_id = $1) AS is_member
       FROM chat_room r WHERE r.name ILIKE $2 ORDER BY lower(r.name), r.id LIMIT $3 OFFSET $4`,
      [userId, pattern, limit, offset],
    );
    const [total] = await this.#db.query<{ n: number }>(
      'SELECT count(*) AS n FROM chat_room WHERE name ILIKE $1',
      [pattern],
    );
    return { count: total?.n ?? 0, rooms };
  }

  /** @throws HttpError 400 for a bad name, 409 when it is taken */
  async create(user: SessionUser, name: unknown): Promise<RoomShape> {
    const trimmed = typeof name === 'string' ? name.trim().normalize('NFC') : '';
    if ([...trimmed].length > NAME_MAX || !isLabel(trimmed)) {
      throw invalid(
        'name',
        `must have 1 to ${NAME_MAX} characters, something to see, and no control characters`,
      );
    }
    try {
      return await this.#commands.events.transaction(async (tx, tell) => {
        const [room] = await tx.query<{ id: number }>(
          'INSERT INTO chat_room (name) VALUES ($1) RETURNING id',
          [trimmed],
        );
        const { room: shape } = await this.#addMember(tx, tell, (room as { id: number }).id, user);
        return { ...shape, unread_count: 0, last_read_id: 0 };
      });
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      throw new HttpError(409, `a room named ${trimmed} exists already`, { field: 'name' });
    }
  }

  /** @throws HttpError 404 for no such room, 409 when the user is a member already */
  async join(roomId: number, user: SessionUser): Promise<MemberShape> {
    return this.#commands.events.transaction(async (tx, tell) => {
      if (await lockRoom(tx, roomId, user.id)) throw new AlreadyMemberError();
      return this.#addMember(tx, tell, roomId, user);
    });
  }

  /** @throws HttpError 404 unless the user is a member */
  async leave(roomId: number, user: SessionUser): Promise<MemberShape> {
    return this.#commands.events.transaction(async (tx, tell) => {
      const memberId = await lockRoom(tx, roomId, user.id);
      if (!memberId) throw notFound('not a member of this room');
      await tx.query(
        'UPDATE chat_room SET version = version + 1, member_count = member_count - 1 WHERE id = $1',
        [roomId],
      );
      const member = { room: sharedRoomShape(await memberView(tx, roomId, user.id)), user };
      await tx.query('DELETE FROM chat_roommember WHERE id = $1', [memberId]);
      await tell({
        roomId,
        type: 'user_left',
        body: member,
        idempotencyKey: `user_left_${memberId}`,
        toMembers: true,
        // The leaver's other tabs.
        toUsers: [user.id],
      });
      await this.#commands.push.bindTopic(tx, roomId, user.id, 'remove');
      return member;
    });
  }

  async #addMember(tx: Queryable, tell: Tell, roomId: number, user: SessionUser): Promise<MemberShape> {
    await tx.query(
      'UPDATE chat_room SET version = version + 1, member_count = member_count + 1 WHERE id = $1',
      [roomId],
    );
    // What was said before somebody came is not unread.
    const [row] = await tx.query<{ id: number }>(
      `INSERT INTO chat_roommember (room_id, user_id, last_read_id)
       SELECT id, $2, coalesce(last_message_id, 0) FROM chat_room WHERE id = $1 RETURNING id`,
      [roomId, user.id],
    );
    const member = { room: sharedRoomShape(await memberView(tx, roomId, user.id)), user };
    await tell({
      roomId,
      type: 'user_joined',
      body: member,
      idempotencyKey: `user_joined_${row?.id}`,
      toMembers: true,
      toUsers: [],
    });
    await this.#commands.push.bindTopic(tx, roomId, user.id, 'add');
    return member;
  }
}

export class AlreadyMemberError extends Error {
  override name = 'AlreadyMemberError';
}

/**
 * Locks a room's row; gives back the id of the user's membership, undefined without one.
 * @throws HttpError 404 when there is no such room
 */
export async function lockRoom(tx: Queryable, roomId: number, userId: number): Promise<number | undefined> {
  const [room] = await tx.query('SELECT id FROM chat_room WHERE id = $1 FOR UPDATE', [roomId]);
  if (!room) throw notFound('no such room');
  const [member] = await tx.query<{ id: number }>(
    'SELECT id FROM chat_roommember WHERE room_id = $1 AND user_id = $2',
    [roomId, userId],
  );
  return member?.id;
}

async function memberView(on: Queryable, roomId: number, userId: number): Promise<RoomRow> {
  const [row] = await on.query<RoomRow>(
    `SELECT ${ROOM_COLUMNS} FROM ${ROOM_FROM} WHERE m.room_id = $1 AND m.user_id = $2`,
    [roomId, userId],
  );
  if (!row) throw notFound('no such room, or not a member of it');
  return row;
}
