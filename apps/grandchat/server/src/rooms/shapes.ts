/** Rows as SQL gives them and objects as the contract shows them: the same for replies and events (API.md). */

/** A timestamp as RFC 3339 in UTC with microseconds. */
export function isoTime(expression: string): string {
  return `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** More unread messages than this are not counted. */
export const UNREAD_CAP = 999;

/** Columns of `ROOM_FROM` for one member's view of a room. */
export const ROOM_COLUMNS = `r.id, r.name, r.version, r.member_count, m.last_read_id, ${isoTime('r.bumped_at')} AS bumped_at,
  l.id AS last_id, l.content AS last_content, ${isoTime('l.created_at')} AS last_created_at, l.user_id AS last_user_id,
  u.username AS last_username,
  (SELECT count(*) FROM (
     SELECT FROM chat_message x
     WHERE x.room_id = r.id AND x.id > m.last_read_id AND x.user_id IS DISTINCT FROM m.user_id LIMIT ${UNREAD_CAP}
   ) unread) AS unread_count`;
export const ROOM_FROM = `chat_roommember m JOIN chat_room r ON r.id = m.room_id
  LEFT JOIN chat_message l ON l.id = r.last_message_id LEFT JOIN chat_user u ON u.id = l.user_id`;

export interface RoomRow {
  id: number;
  name: string;
  version: number;
  member_count: number;
  last_read_id: number;
  unread_count: number;
  bumped_at: string;
  last_id: number | null;
  last_content: string;
  last_created_at: string;
  last_user_id: number;
  last_username: string;
}

export interface UserShape {
  readonly id: number;
  readonly username: string;
}

export interface RoomShape {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  readonly bumped_at: string;
  readonly member_count: number;
  readonly unread_count?: number;
  readonly last_read_id?: number;
  readonly last_message: { id: number; content: string; user: UserShape; created_at: string } | null;
}

export function roomShape(row: RoomRow): RoomShape {
  const { id, name, version, bumped_at, member_count, unread_count, last_read_id } = row;
  const lastMessage = row.last_id && {
    id: row.last_id,
    content: row.last_content,
    user: { id: row.last_user_id, username: row.last_username },
    created_at: row.last_created_at,
  };
  return {
    id,
    name,
    version,
    bumped_at,
    member_count,
    unread_count,
    last_read_id,
    last_message: lastMessage || null,
  };
}

/** A room in an event that goes to many: without what is one member's own. */
export function sharedRoomShape(row: RoomRow): RoomShape {
  const { unread_count: _unread, last_read_id: _read, ...shared } = roomShape(row);
  return shared;
}

/** Columns of `chat_message x JOIN chat_user u JOIN chat_room r`. */
export const MESSAGE_COLUMNS = `x.id, x.content, x.client_id, ${isoTime('x.created_at')} AS created_at,
  u.id AS user_id, u.username, r.id AS room_id, r.version, ${isoTime('r.bumped_at')} AS bumped_at`;
export const MESSAGE_FROM = `chat_message x JOIN chat_room r ON r.id = x.room_id LEFT JOIN chat_user u ON u.id = x.user_id`;

export interface MessageRow {
  id: number;
  content: string;
  client_id: string | null;
  created_at: string;
  user_id: number;
  username: string;
  room_id: number;
  version: number;
  bumped_at: string;
}

export interface MessageShape {
  readonly id: number;
  readonly content: string;
  readonly client_id: string | null;
  readonly user: UserShape;
  readonly room: { readonly id: number; readonly version: number; readonly bumped_at: string };
  readonly created_at: string;
}

export function messageShape(row: MessageRow): MessageShape {
  return {
    id: row.id,
    content: row.content,
    client_id: row.client_id,
    user: { id: row.user_id, username: row.username },
    room: { id: row.room_id, version: row.version, bumped_at: row.bumped_at },
    created_at: row.created_at,
  };
}
