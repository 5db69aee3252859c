import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message } from '../src/api/types.ts';
import { dayName, shortTime } from '../src/components/times.ts';
import { firstUnread, groupMessages, shownMessages } from '../src/store/grouping.ts';
import { ann, bob, message } from './support/shapes.ts';

const local = (hour: number, minute: number, day = 24) => new Date(2026, 10, day, hour, minute).toISOString();
const group = (messages: readonly Message[], unreadId?: number) =>
  groupMessages(shownMessages(messages, [], ann), unreadId);
const shape = (days: ReturnType<typeof groupMessages>) =>
  days.map(({ groups }) => groups.map((group) => group.messages.map(({ id }) => id)));

suite('grouping of messages', () => {
  test('one author within five minutes of the message before is one group', () => {
    const days = group([
      message(1, { created_at: local(12, 0) }),
      message(2, { created_at: local(12, 4) }),
      message(3, { created_at: local(12, 8) }),
      message(4, { created_at: local(12, 13) }),
    ]);
    assert.deepEqual(shape(days), [[[1, 2, 3], [4]]]);
  });

  test('another author begins a group', () => {
    const days = group([
      message(1, { created_at: local(12, 0) }),
      message(2, { created_at: local(12, 0), user: ann }),
      message(3, { created_at: local(12, 0) }),
    ]);
    assert.deepEqual(shape(days), [[[1], [2], [3]]]);
  });

  test('midnight begins a day and a group', () => {
    const days = group([
      message(1, { created_at: local(23, 59, 23) }),
      message(2, { created_at: local(0, 1) }),
    ]);
    assert.deepEqual(
      days.map(({ key }) => key),
      ['2026-11-23', '2026-11-24'],
    );
    assert.deepEqual(shape(days), [[[1]], [[2]]]);
  });

  test('the unread line begins a group', () => {
    const days = group(
      [message(1, { created_at: local(12, 0) }), message(2, { created_at: local(12, 0) })],
      2,
    );
    assert.deepEqual(shape(days), [[[1], [2]]]);
  });

  test('the unread line is before the first message of somebody else that was not read', () => {
    const messages = [message(1), message(2, { user: ann }), message(3), message(4)];
    assert.equal(firstUnread(messages, 1, ann.id), 3);
    assert.equal(firstUnread(messages, 4, ann.id), undefined);
  });

  test('F12: what is on its way joins our last group, and keeps its key when the server has it', () => {
    const pending = {
      clientId: 'a',
      roomId: 1,
      content: 'soon',
      createdAt: local(12, 1),
      state: 'sending',
    } as const;
    const own = message(1, { user: ann, created_at: local(12, 0) });
    const before = groupMessages(shownMessages([own], [pending], ann));
    assert.deepEqual(
      before[0]?.groups.map((each) => each.messages.map(({ content }) => content)),
      [['message 1', 'soon']],
    );
    const sent = message(2, { user: ann, client_id: 'a', content: 'soon', created_at: local(12, 1) });
    const after = groupMessages(shownMessages([own, sent], [], ann));
    const keys = (days: typeof before) => days[0]?.groups[0]?.messages.map(({ key }) => key);
    assert.deepEqual(keys(after), keys(before));
    const forged = message(3, { user: bob, client_id: 'a' });
    assert.notEqual(
      shownMessages([forged], [], ann)[0]?.key,
      keys(after)?.[1],
      'client ids are the authors’ own',
    );
  });

  test('days are called today, yesterday, or by their date; the year only when it is another', () => {
    const now = new Date(2026, 10, 24, 9);
    assert.equal(dayName(new Date(2026, 10, 24, 0, 1), now), 'Today');
    assert.equal(dayName(new Date(2026, 10, 23, 23, 59), now), 'Yesterday');
    assert.doesNotMatch(dayName(new Date(2026, 10, 22), now), /2026/);
    assert.match(dayName(new Date(2025, 10, 24), now), /2025/);
    assert.equal(shortTime(local(8, 30), now), shortTime(local(8, 30), new Date(2026, 10, 24, 23)));
    assert.notEqual(shortTime(local(8, 30), now), shortTime(local(8, 30), new Date(2026, 10, 25)));
  });
});
