import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { ApiError, NetworkError } from '../src/api/api.ts';
import type { ChatEvent, Message, Page, Room } from '../src/api/types.ts';
import { Session, type SessionApi } from '../src/app/session.ts';
import type { RealtimeHandlers } from '../src/realtime/handlers.ts';
import { Store } from '../src/store/store.ts';
import { ann, bob, message, page, room, stateWith } from './support/shapes.ts';

const pageOf = <T>(results: readonly T[], next: string | null = null): Page<T> => ({
  count: results.length,
  next,
  previous: null,
  results,
});
const notFound = () => new ApiError(404, { detail: 'no such room' });

/** A server that answers when it is told to. */
class FakeServer implements SessionApi {
  readonly calls: string[] = [];
  readonly #waiting: { call: string; settle: (answer: unknown) => void; fail: (error: Error) => void }[] = [];

  rooms = (url = '/api/rooms/') => this.#ask<Page<Room>>(url);
  room = (id: number) => this.#ask<Room>(`room ${id}`);
  messages = (id: number, before = 0) =>
    this.#ask<Page<Message>>(before ? `messages ${id} before ${before}` : `messages ${id}`);
  read = (id: number, messageId: number) =>
    this.#ask<{ unread_count: number; last_read_id: number }>(`read ${id} ${messageId}`);

  /** Answers the oldest open request of that kind, and lets the client go on. */
  async answer(call: string, answer: unknown): Promise<void> {
    const at = this.#waiting.findIndex((each) => each.call === call);
    assert.ok(at >= 0, `${call} was not asked; open: ${this.open().join(', ')}`);
    const [asked] = this.#waiting.splice(at, 1);
    if (answer instanceof Error) asked?.fail(answer);
    else asked?.settle(answer);
    await new Promise((resolve) => setImmediate(resolve));
  }

  open(): string[] {
    return this.#waiting.map(({ call }) => call);
  }

  #ask<T>(call: string): Promise<T> {
    this.calls.push(call);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, settle: (answer) => resolve(answer as T), fail: reject });
    });
  }
}

suite('a session', () => {
  let server: FakeServer;
  let store: Store;
  let realtime: RealtimeHandlers;
  let session: Session;
  let readToTheEnd: number[];

  beforeEach(() => {
    server = new FakeServer();
    readToTheEnd = [];
    store = new Store();
    store.update(() => stateWith());
    session = new Session({
      user: ann,
      api: server,
      store,
      openRealtime: (handlers) => {
        realtime = handlers;
        return { close() {} };
      },
      onSubscribed: () => {},
      onRead: (roomId) => readToTheEnd.push(roomId),
    });
  });
  afterEach(() => session.close());

  const start = async (...rooms: Room[]) => {
    realtime.onSubscribed(false);
    await server.answer('/api/rooms/', pageOf(rooms));
  };
  const open = async (messages: readonly Message[], next: string | null = null) => {
    const opened = session.openRoom(1);
    await server.answer('messages 1', pageOf(messages, next));
    assert.equal(await opened, true);
  };
  const added = (body: Message): ChatEvent => ({ type: 'message_added', body });
  const shownIds = () => store.state.conversations[1]?.messages.map(({ id }) => id);

  test('F6: nothing is loaded before we are subscribed', async () => {
    assert.deepEqual(server.calls, []);
    await start(room(1));
    assert.deepEqual(server.calls, ['/api/rooms/']);
  });

  test('F8: rooms beyond the first page are loaded, too', async () => {
    realtime.onSubscribed(false);
    await server.answer('/api/rooms/', pageOf([room(1)], '/api/rooms/?page=2'));
    await server.answer('/api/rooms/?page=2', pageOf([room(2)]));
    assert.deepEqual(Object.keys(store.state.rooms), ['1', '2']);
  });

  test('F7: after a gap the rooms and the open messages load by themselves; after a recovery nothing does', async () => {
    await start(room(1, { version: 1 }));
    await open(page(1, 3));
    realtime.onSubscribed(true);
    assert.deepEqual(server.open(), []);
    realtime.onSubscribed(false);
    await server.answer('/api/rooms/', pageOf([room(1, { version: 5, member_count: 7 })]));
    await server.answer('messages 1', pageOf(page(1, 5)));
    assert.equal(store.state.rooms[1]?.member_count, 7);
    assert.deepEqual(shownIds(), [1, 2, 3, 4, 5]);
    assert.deepEqual(server.open(), []);
  });

  test('F7: what was asked for before a second gap is asked for again', async () => {
    await start(room(1));
    await open(page(1, 3));
    realtime.onSubscribed(false);
    await server.answer('/api/rooms/', pageOf([room(1)]));
    realtime.onSubscribed(false);
    await server.answer('messages 1', pageOf(page(1, 3)));
    await server.answer('messages 1', pageOf(page(4, 5), 'more'));
    assert.deepEqual(shownIds(), [4, 5], 'what is known must not touch a page from before the gap');
    await server.answer('/api/rooms/', pageOf([room(1)]));
    await server.answer('messages 1', pageOf(page(4, 5), 'more'));
    assert.deepEqual(shownIds(), [4, 5]);
    assert.deepEqual(server.open(), []);
  });

  test('F6: a message that comes while its room is being opened is shown', async () => {
    await start(room(1));
    const opened = session.openRoom(1);
    realtime.onEvent(added(message(4)));
    await server.answer('messages 1', pageOf(page(1, 3)));
    await opened;
    assert.deepEqual(shownIds(), [1, 2, 3, 4]);
  });

  test('F16: many events of an unknown room are one fetch, and another one if it came back too old', async () => {
    await start();
    for (let id = 1; id <= 20; id++) realtime.onEvent(added(message(id)));
    assert.deepEqual(server.open(), ['room 1']);
    await server.answer('room 1', room(1, { version: 1 }));
    assert.deepEqual(server.open(), ['room 1']);
    await server.answer('room 1', room(1, { version: 20 }));
    assert.deepEqual(server.open(), []);
    assert.equal(server.calls.filter((call) => call === 'room 1').length, 2);
  });

  test('F9: a message for a room that is not open fetches no messages', async () => {
    await start(room(1));
    realtime.onEvent(added(message(5)));
    assert.deepEqual(server.open(), []);
    assert.equal(store.state.rooms[1]?.last_message?.id, 5);
  });

  test('F2: an unknown room that is not ours (404) stays unknown, and the next event may ask again', async () => {
    await start();
    realtime.onEvent({ type: 'user_joined', body: { room: room(1, { version: 2 }), user: bob } });
    await server.answer('room 1', notFound());
    assert.equal(store.state.rooms[1], undefined);
    realtime.onEvent({ type: 'user_joined', body: { room: room(1, { version: 3 }), user: bob } });
    assert.deepEqual(server.open(), ['room 1']);
    const opened = session.openRoom(9);
    await server.answer('room 9', notFound());
    assert.equal(await opened, false);
  });

  test('F16: we leave in another tab while the room is being fetched: it stays away', async () => {
    await start();
    realtime.onEvent({ type: 'user_joined', body: { room: room(1, { version: 2 }), user: ann } });
    realtime.onEvent({ type: 'user_left', body: { room: room(1, { version: 3 }), user: ann } });
    await server.answer('room 1', room(1, { version: 2 }));
    assert.equal(store.state.rooms[1], undefined);
  });

  test('an old leave does not take a room away that we have joined again', async () => {
    await start(room(1, { version: 8 }));
    realtime.onEvent({ type: 'user_left', body: { room: room(1, { version: 7 }), user: ann } });
    assert.equal(store.state.rooms[1]?.version, 8);
  });

  test('F14: what comes after the end of a session changes nothing', async () => {
    realtime.onSubscribed(false);
    session.close();
    await server.answer('/api/rooms/', pageOf([room(1)]));
    realtime.onEvent(added(message(1)));
    assert.deepEqual(store.state.rooms, {});
  });

  test('F8: two looks at the top ask for the older messages once', async () => {
    await start(room(1));
    await open(page(51, 100), 'more');
    const both = [session.loadOlder(1), session.loadOlder(1)];
    await server.answer('messages 1 before 51', pageOf(page(1, 50)));
    await Promise.all(both);
    assert.equal(shownIds()?.length, 100);
    await session.loadOlder(1);
    assert.deepEqual(server.open(), [], 'the beginning is known');
  });

  test('P7: a room that is read to its end, here, elsewhere or while we were away, has no use for its banners', async () => {
    await start(room(1, { unread_count: 2 }), room(2, { unread_count: 1 }), room(3));
    assert.deepEqual(readToTheEnd, [3]);
    realtime.onEvent({ type: 'room_read', body: { room_id: 1, last_read_id: 4, unread_count: 1 } });
    assert.deepEqual(readToTheEnd, [3], 'one message is still new');
    realtime.onEvent({ type: 'room_read', body: { room_id: 1, last_read_id: 5, unread_count: 0 } });
    realtime.onEvent(added(message(9, { room: { id: 2, version: 9, bumped_at: '' } })));
    void session.markRead(2);
    await server.answer('read 2 9', { unread_count: 0, last_read_id: 9 });
    assert.deepEqual(readToTheEnd, [3, 1, 2]);
  });

  test('F1: an event takes effect at once and once, whatever is being waited for', async () => {
    await start(room(1));
    await open(page(1, 2));
    realtime.onEvent(added(message(7, { room: { id: 2, version: 7, bumped_at: '' } })));
    assert.deepEqual(server.open(), ['room 2']);
    for (const id of [3, 4, 5]) realtime.onEvent(added(message(id)));
    assert.deepEqual(shownIds(), [1, 2, 3, 4, 5], 'while room 2 is still under way');
    await server.answer('room 2', room(2, { version: 7 }));
    assert.deepEqual(shownIds(), [1, 2, 3, 4, 5]);
    assert.equal(store.state.rooms[1]?.unread_count, 3);
  });

  test('a room is marked as read once for each newest message, and again if that failed', async () => {
    await start(room(1));
    realtime.onEvent(added(message(5)));
    void session.markRead(1);
    void session.markRead(1);
    assert.deepEqual(server.open(), ['read 1 5']);
    await server.answer('read 1 5', new NetworkError('away'));
    void session.markRead(1);
    await server.answer('read 1 5', { unread_count: 0, last_read_id: 5 });
    assert.equal(store.state.rooms[1]?.unread_count, 0);
    void session.markRead(1);
    assert.deepEqual(server.open(), []);
  });
});
