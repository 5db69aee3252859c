import type { Message, Room, User } from '../../src/api/types.ts';
import { INITIAL_STATE, type State } from '../../src/store/state.ts';

export const ann: User = { id: 1, username: 'ann' };
export const bob: User = { id: 2, username: 'bob' };

/** The n-th second of a day. */
export function at(second: number): string {
  return new Date(Date.UTC(2026, 10, 24, 12) + second * 1_000).toISOString().replace('Z', '000Z');
}

export function room(id: number, change: Partial<Room> = {}): Room {
  return {
    id,
    name: `room ${id}`,
    version: 1,
    bumped_at: at(id),
    member_count: 2,
    unread_count: 0,
    last_read_id: 0,
    last_message: null,
    ...change,
  };
}

/** Message `id` of room 1, by bob, that made the room's version `id`. */
export function message(id: number, change: Partial<Message> = {}): Message {
  return {
    id,
    content: `message ${id}`,
    client_id: null,
    user: bob,
    room: { id: 1, version: id, bumped_at: at(id) },
    created_at: at(id),
    ...change,
  };
}

/** Messages from..to, newest first, as the server lists them. */
export function page(from: number, to: number): Message[] {
  return Array.from({ length: to - from + 1 }, (_, n) => message(to - n));
}

/** Ann is signed in and has these rooms. */
export function stateWith(...rooms: Room[]): State {
  return {
    ...INITIAL_STATE,
    user: ann,
    roomsLoaded: true,
    rooms: Object.fromEntries(rooms.map((each) => [each.id, each])),
  };
}

/** Freezes what a reducer gets, so that one that changes it in place fails (F3). */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}
