import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { addMessage, startLoading } from '../src/store/messages.ts';
import {
  applyMember,
  applyRead,
  mergeRooms,
  removeRoom,
  replaceRooms,
  sortedRooms,
  unreadRooms,
} from '../src/store/rooms.ts';
import { ann, at, bob, frozen, message, room, stateWith } from './support/shapes.ts';

suite('rooms', () => {
  test('F4: a reload refreshes known rooms', () => {
    const state = frozen(stateWith(room(1, { member_count: 2, version: 3 })));
    const last = message(9);
    const listed = room(1, { version: 9, member_count: 5, unread_count: 4, last_message: last });
    const after = replaceRooms(state, [listed], state);
    assert.deepEqual(after.rooms[1], listed);
  });

  test('F4: a reload does not put an older version over a newer one', () => {
    const asked = frozen(stateWith(room(1, { version: 3 })));
    const meanwhile = addMessage(asked, message(7));
    const after = replaceRooms(meanwhile, [room(1, { version: 3 })], asked);
    assert.equal(after.rooms[1]?.last_message?.id, 7);
  });

  test('a reload drops rooms that are ours no more, with their messages, and keeps one that was joined meanwhile', () => {
    const asked = frozen(startLoading(stateWith(room(1), room(2)), 2));
    const joined = mergeRooms(asked, [room(3)]);
    const after = replaceRooms(joined, [room(1)], asked);
    assert.deepEqual(Object.keys(after.rooms), ['1', '3']);
    assert.deepEqual(after.conversations, {});
  });

  test('F3: no reducer changes a room in place', () => {
    const state = frozen(stateWith(room(1)));
    const before = structuredClone(state);
    addMessage(state, message(1));
    applyMember(state, { room: room(1, { version: 5, member_count: 9 }), user: bob });
    applyRead(state, 1, { last_read_id: 1, unread_count: 0 });
    removeRoom(state, 1, 2);
    assert.deepEqual(state, before);
  });

  test('F5: a message advances the version, so that an older count does not come back', () => {
    const state = addMessage(stateWith(room(1, { version: 3 })), message(6));
    const after = applyMember(state, { room: room(1, { version: 5, member_count: 99 }), user: bob });
    assert.equal(after.rooms[1]?.version, 6);
    assert.equal(after.rooms[1]?.member_count, 2);
  });

  test('of two joins that come in the wrong order the later one counts', () => {
    const newer = applyMember(stateWith(room(1)), {
      room: room(1, { version: 5, member_count: 5 }),
      user: bob,
    });
    const after = applyMember(newer, { room: room(1, { version: 4, member_count: 4 }), user: bob });
    assert.equal(after.rooms[1]?.member_count, 5);
  });

  test('F16: a room that was fetched before we left it does not come back, one that we joined again does', () => {
    const left = removeRoom(stateWith(room(1, { version: 3 })), 1, 4);
    assert.equal(mergeRooms(left, [room(1, { version: 3 })]).rooms[1], undefined);
    assert.equal(mergeRooms(left, [room(1, { version: 5 })]).rooms[1]?.version, 5);
  });

  test('what others write is unread until it is read, here or elsewhere; each message counts once', () => {
    let state = addMessage(stateWith(room(1)), message(1));
    state = addMessage(state, message(2));
    state = addMessage(state, message(2));
    assert.equal(state.rooms[1]?.unread_count, 2);
    assert.equal(unreadRooms(state), 1);
    state = applyRead(state, 1, { last_read_id: 2, unread_count: 0 });
    assert.equal(state.rooms[1]?.unread_count, 0);
    state = applyRead(state, 1, { last_read_id: 1, unread_count: 1 });
    assert.deepEqual([state.rooms[1]?.last_read_id, state.rooms[1]?.unread_count], [2, 0], 'never back');
  });

  test('a room that was fetched before the last reading stays read', () => {
    const state = stateWith(room(1, { version: 4, last_read_id: 8 }));
    const after = mergeRooms(state, [room(1, { version: 4, last_read_id: 5, unread_count: 3 })]);
    assert.deepEqual([after.rooms[1]?.last_read_id, after.rooms[1]?.unread_count], [8, 0]);
  });

  test('writing in a room reads it', () => {
    let state = addMessage(stateWith(room(1)), message(1));
    state = addMessage(state, message(2, { user: ann }));
    assert.deepEqual([state.rooms[1]?.unread_count, state.rooms[1]?.last_read_id], [0, 2]);
  });

  test('the room with the newest message comes first', () => {
    const state = stateWith(room(1, { bumped_at: at(10) }), room(2, { bumped_at: at(20) }));
    assert.deepEqual(
      sortedRooms(state).map(({ id }) => id),
      [2, 1],
    );
    const after = addMessage(state, message(30));
    assert.deepEqual(
      sortedRooms(after).map(({ id }) => id),
      [1, 2],
    );
  });

  test('F2: news of a room that we do not know change nothing', () => {
    const state = frozen(stateWith(room(1)));
    const stranger = message(5, { room: { id: 7, version: 5, bumped_at: at(5) } });
    assert.deepEqual(addMessage(state, stranger), state);
    assert.equal(applyMember(state, { room: room(7), user: bob }), state);
    assert.equal(applyRead(state, 7, { last_read_id: 1, unread_count: 0 }), state);
  });
});
