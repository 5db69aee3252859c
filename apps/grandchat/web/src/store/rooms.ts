import type { Member, Message, ReadState, Room } from '../api/types.ts';
import type { State } from './state.ts';

/** Takes in rooms as the server lists them; the newer of two versions stands (F4). */
export function mergeRooms(state: State, rooms: readonly Room[]): State {
  const merged = { ...state.rooms };
  for (const room of rooms) {
    const leftAt = state.left[room.id];
    // Fetched before we left: it must not come back (F16).
    if (leftAt !== undefined && room.version <= leftAt) continue;
    const known = merged[room.id];
    if (!known || room.version >= known.version) merged[room.id] = keepReading(room, known);
  }
  return { ...state, rooms: merged };
}

/**
 * A full reload: what was known when it was asked for (`before`) and is not in it is no longer ours. What came meanwhile stays.
 */
export function replaceRooms(state: State, rooms: readonly Room[], before: State): State {
  const listed = new Set(rooms.map(({ id }) => id));
  const stays = ([id]: [string, unknown]) => listed.has(Number(id)) || !before.rooms[Number(id)];
  const kept = {
    ...state,
    rooms: Object.fromEntries(Object.entries(state.rooms).filter(stays)),
    conversations: Object.fromEntries(Object.entries(state.conversations).filter(stays)),
  };
  return { ...mergeRooms(kept, rooms), roomsLoaded: true };
}

export function removeRoom(state: State, roomId: number, version: number): State {
  const { [roomId]: _room, ...rooms } = state.rooms;
  const { [roomId]: _conversation, ...conversations } = state.conversations;
  return { ...state, rooms, conversations, left: { ...state.left, [roomId]: version } };
}

/** Somebody came or went. Older versions than the known one change nothing. */
export function applyMember(state: State, { room }: Member): State {
  const known = state.rooms[room.id];
  if (!known || room.version <= known.version) return state;
  const { version, member_count } = room;
  return { ...state, rooms: { ...state.rooms, [room.id]: { ...known, version, member_count } } };
}

/** A new message in the list of rooms: preview, order and the number of unread ones (F5). */
export function applyMessageToRoom(state: State, message: Message): State {
  const room = state.rooms[message.room.id];
  if (!room) return state;
  const isNewest = message.id > (room.last_message?.id ?? 0);
  if (!isNewest) return state;
  const own = message.user.id === state.user?.id;
  const { id, content, user, created_at } = message;
  const updated: Room = {
    ...room,
    version: Math.max(room.version, message.room.version),
    bumped_at: later(room.bumped_at, message.room.bumped_at),
    last_message: { id, content, user, created_at },
    unread_count: own ? 0 : room.unread_count + (id > room.last_read_id ? 1 : 0),
    last_read_id: own ? id : room.last_read_id,
  };
  return { ...state, rooms: { ...state.rooms, [room.id]: updated } };
}

/** How far we have read, here or elsewhere; never goes back. */
export function applyRead(state: State, roomId: number, { last_read_id, unread_count }: ReadState): State {
  const room = state.rooms[roomId];
  if (!room || last_read_id < room.last_read_id) return state;
  return { ...state, rooms: { ...state.rooms, [roomId]: { ...room, last_read_id, unread_count } } };
}

/** Newest first. */
export function sortedRooms(state: State): Room[] {
  return Object.values(state.rooms).sort((a, b) =>
    a.bumped_at < b.bumped_at ? 1 : a.bumped_at > b.bumped_at ? -1 : b.id - a.id,
  );
}

export function unreadRooms(state: State): number {
  return Object.values(state.rooms).filter((room) => room.unread_count > 0).length;
}

/** A room fetched a moment ago may know less of what we have read meanwhile. */
function keepReading(room: Room, known: Room | undefined): Room {
  if (!known || known.last_read_id <= room.last_read_id) return room;
  return {
    ...room,
    last_read_id: known.last_read_id,
    unread_count: Math.min(known.unread_count, room.unread_count),
  };
}

/** Times of one format compare as texts do. */
function later(a: string, b: string): string {
  return a > b ? a : b;
}
