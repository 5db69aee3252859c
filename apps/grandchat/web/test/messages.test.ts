import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  addMessage,
  addPending,
  loadNewest,
  loadOlder,
  markGaps,
  removePending,
  setPending,
  startLoading,
} from '../src/store/messages.ts';
import type { Pending, State } from '../src/store/state.ts';
import { ann, frozen, message, page, room, stateWith } from './support/shapes.ts';

const ids = (state: State) => state.conversations[1]?.messages.map(({ id }) => id);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const opened = (from: number, to: number) =>
  frozen(loadNewest(startLoading(stateWith(room(1)), 1), 1, page(from, to), from > 1));

suite('messages of a room', () => {
  test('F6: a message that comes while the page is under way is not lost', () => {
    const asked = startLoading(stateWith(room(1)), 1);
    assert.equal(asked.conversations[1]?.isLoaded, false);
    const arrived = addMessage(asked, message(4));
    const state = loadNewest(arrived, 1, page(1, 3), false);
    assert.deepEqual(ids(state), [1, 2, 3, 4]);
    assert.deepEqual(state.conversations[1], {
      messages: state.conversations[1]?.messages,
      hasOlder: false,
      isLoaded: true,
    });
  });

  test('B8: a message that comes twice, however late, by event and as an answer, is there once and in its place', () => {
    let state = opened(1, 3);
    for (const id of [5, 4, 5]) state = addMessage(state, message(id));
    assert.deepEqual(ids(state), [1, 2, 3, 4, 5]);
  });

  test('B8: a copy that comes so late that its page is not loaded hides nothing of what lies in between', () => {
    const late = addMessage(opened(101, 150), message(40));
    assert.deepEqual(ids(late), range(101, 150));
    assert.deepEqual(ids(loadOlder(late, 1, 101, page(1, 100), false)), range(1, 150));
  });

  test('F7: after a gap that the page spans, all that was scrolled through stays', () => {
    const state = loadNewest(markGaps(opened(1, 50)), 1, page(21, 70), true);
    assert.deepEqual(ids(state), range(1, 70));
    assert.equal(state.conversations[1]?.hasOlder, false, 'the beginning was known');
    assert.equal(state.conversations[1]?.gapAfter, undefined);
  });

  test('F7: after a longer gap nothing stays that would hide the hole, but what came since does', () => {
    const since = addMessage(markGaps(opened(1, 50)), message(350));
    const before = loadNewest(since, 1, page(300, 349), true);
    assert.deepEqual(ids(before), range(300, 350));
    assert.equal(before.conversations[1]?.hasOlder, true);
    const within = loadNewest(since, 1, page(301, 350), true);
    assert.deepEqual(ids(within), range(301, 350), 'a new message is no proof that the page reaches back');
  });

  test('a second gap before the first is mended counts from the first', () => {
    const twice = markGaps(addMessage(markGaps(opened(1, 50)), message(350)));
    assert.deepEqual(ids(loadNewest(twice, 1, page(340, 389), true)), range(340, 389));
  });

  test('F8: older pages go on top, down to the beginning', () => {
    let state = opened(51, 100);
    state = loadOlder(state, 1, 51, page(1, 50), false);
    assert.deepEqual(ids(state), range(1, 100));
    assert.equal(state.conversations[1]?.hasOlder, false);
  });

  test('an older page that was asked for before a gap is of no use after it', () => {
    const reloaded = loadNewest(markGaps(opened(51, 100)), 1, page(301, 350), true);
    assert.equal(loadOlder(reloaded, 1, 51, page(1, 50), false), reloaded);
  });

  test('F9: a message for a room that was never opened changes its preview alone', () => {
    const state = addMessage(stateWith(room(1)), message(3));
    assert.equal(state.conversations[1], undefined);
    assert.equal(state.rooms[1]?.last_message?.content, 'message 3');
  });

  test('an empty room is loaded, too', () => {
    const state = loadNewest(startLoading(stateWith(room(1)), 1), 1, [], false);
    assert.deepEqual(state.conversations[1], { messages: [], hasOlder: false, isLoaded: true });
  });
});

suite('messages that the server does not have yet', () => {
  const pending = (clientId: string): Pending => ({
    clientId,
    roomId: 1,
    content: clientId,
    createdAt: '2026-11-24T12:00:00Z',
    state: 'sending',
  });

  test('F12: a pending message gives way to the real one, whether the event or the answer comes first', () => {
    const state = frozen(addPending(addPending(opened(1, 1), pending('a')), pending('b')));
    const after = addMessage(state, message(2, { user: ann, client_id: 'a' }));
    assert.deepEqual(
      after.pending.map(({ clientId }) => clientId),
      ['b'],
    );
    assert.deepEqual(addMessage(after, message(2, { user: ann, client_id: 'a' })).pending, after.pending);
  });

  test('F12: one whose answer was lost gives way when the page has it', () => {
    const state = addPending(opened(1, 1), pending('a'));
    const after = loadNewest(state, 1, [message(2, { user: ann, client_id: 'a' }), message(1)], false);
    assert.deepEqual(after.pending, []);
  });

  test('F12: one that failed says why, and can be tried again or deleted', () => {
    const failed = setPending(addPending(opened(1, 1), pending('a')), 'a', { state: 'failed', reason: 'no' });
    assert.deepEqual(failed.pending[0], { ...pending('a'), state: 'failed', reason: 'no' });
    assert.deepEqual(removePending(failed, 'a').pending, []);
  });
});
