import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { handlePush, mergeByTag, type PushEvent, type PushOptions } from '../src/worker.ts';
import { type FakeScope, FakeWindow, fakeScope, run } from './fakes.ts';

const identified: PushOptions = { merge: mergeByTag({ identify: ({ data }) => String(data.message_id) }) };

function message(id: number, { room = 1, text = `text ${id}` } = {}) {
  return {
    web_push: 8030,
    notification: {
      title: `Room ${room}`,
      body: `ann: ${text}`,
      navigate: `https://chat.example/rooms/${room}`,
      tag: `room-${room}`,
      data: { message_id: id },
    },
  };
}

function pushTo(scope: FakeScope, options: PushOptions = identified) {
  const listener = handlePush(options, scope);
  return (payload: unknown) => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    return run<PushEvent>(listener, { data: { text: () => text } });
  };
}

suite('showing a push', () => {
  test('shows title and body, and keeps where a click leads', async () => {
    const scope = fakeScope();
    await pushTo(scope, { icon: '/icon.png' })(message(1));
    const [shown] = scope.shown;
    assert.equal(shown?.title, 'Room 1');
    assert.equal(shown?.body, 'ann: text 1');
    assert.equal(shown?.tag, 'room-1');
    assert.equal(shown?.icon, '/icon.png');
    assert.partialDeepStrictEqual(shown?.data, { navigate: 'https://chat.example/rooms/1' });
  });

  test('merges the messages of a room into one notification with the last texts', async () => {
    const scope = fakeScope();
    const push = pushTo(scope);
    for (const id of [1, 2, 3, 4]) await push(message(id));
    assert.equal(scope.screen.length, 1);
    assert.equal(scope.screen[0]?.body, '4 new messages\nann: text 2\nann: text 3\nann: text 4');
  });

  test('merges pushes that come at the same moment', async () => {
    const scope = fakeScope();
    const push = pushTo(scope);
    await Promise.all([push(message(1)), push(message(2)), push(message(3))]);
    assert.match(scope.screen[0]?.body ?? '', /^3 new messages\n/);
  });

  test('puts messages that overtook each other in their order', async () => {
    const merge = mergeByTag({
      identify: ({ data }) => String(data.message_id),
      position: ({ data }) => Number(data.message_id),
    });
    const scope = fakeScope();
    const push = pushTo(scope, { merge });
    for (const id of [2, 1, 5, 4, 3]) await push(message(id));
    assert.equal(scope.screen[0]?.body, '5 new messages\nann: text 3\nann: text 4\nann: text 5');
  });

  test('leaves one notification on a desktop that is slow to say which one it shows', async () => {
    const scope = fakeScope([], { desktopMs: 20 });
    const push = pushTo(scope);
    await Promise.all([push(message(1)), push(message(2)), push(message(3))]);
    assert.deepEqual(
      scope.screen.map(({ body }) => body),
      ['3 new messages\nann: text 1\nann: text 2\nann: text 3'],
    );
  });

  test('counts a push that is delivered twice once', async () => {
    const scope = fakeScope();
    const push = pushTo(scope);
    await push(message(1));
    await push(message(1));
    assert.equal(scope.screen[0]?.body, 'ann: text 1');
    await push(message(2));
    await push(message(1));
    assert.equal(scope.screen[0]?.body, '2 new messages\nann: text 1\nann: text 2');
  });

  test('keeps rooms apart', async () => {
    const scope = fakeScope();
    const push = pushTo(scope);
    await push(message(1, { room: 1 }));
    await push(message(2, { room: 2 }));
    assert.deepEqual(
      scope.screen.map(({ title }) => title),
      ['Room 1', 'Room 2'],
    );
    assert.deepEqual(scope.badges, [1, 2]);
  });

  test('a badge in the payload wins over the count of notifications', async () => {
    const scope = fakeScope();
    await pushTo(scope)({ ...message(1), app_badge: 7 });
    assert.deepEqual(scope.badges, [7]);
  });

  for (const [what, payload] of [
    ['empty', ''],
    ['no JSON', '{"web_push": 80'],
    ['of another shape', '[1, 2]'],
    ['without a title', '{"notification": {"title": 5}}'],
  ] as const) {
    test(`shows something general when the payload is ${what}`, async () => {
      const scope = fakeScope();
      await pushTo(scope, { fallback: { title: 'Chat', body: 'News.' } })(payload);
      assert.deepEqual(
        scope.shown.map(({ title, body }) => [title, body]),
        [['Chat', 'News.']],
      );
    });
  }

  test('shows something general when there is no payload or it cannot be read', async () => {
    const scope = fakeScope();
    const listener = handlePush({}, scope);
    await run<PushEvent>(listener, { data: null });
    await run<PushEvent>(listener, {
      data: {
        text() {
          throw new Error('unreadable');
        },
      },
    });
    assert.equal(scope.shown.length, 2);
  });

  test('leaves out members of a wrong type', async () => {
    const scope = fakeScope();
    await pushTo(scope)({
      notification: { title: 'T', body: 5, tag: {}, navigate: 1, data: 'x', app_badge: -1 },
    });
    assert.deepEqual([scope.shown[0]?.body, scope.shown[0]?.tag], ['', undefined]);
  });
});

suite('whether to show a push', () => {
  test('shows nothing for what is open in the focused window', async () => {
    const focused = new FakeWindow({ focused: true, answer: true });
    const scope = fakeScope([new FakeWindow({ answer: false }), focused]);
    await pushTo(scope)(message(1));
    assert.deepEqual(scope.shown, []);
    assert.deepEqual(focused.messages, [{ type: 'carillon:is-open', tag: 'room-1' }]);
  });

  for (const [what, window] of [
    ['the window that has it open has not the focus', new FakeWindow({ visible: true, answer: true })],
    ['the focused window has something else open', new FakeWindow({ focused: true, answer: false })],
    ['the focused window gives no answer', new FakeWindow({ focused: true })],
    ['the focused window answers nonsense', new FakeWindow({ focused: true, answer: 'yes' })],
  ] as const) {
    test(`shows it when ${what}`, async () => {
      const scope = fakeScope([window]);
      await pushTo(scope)(message(1));
      assert.equal(scope.shown.length, 1);
    });
  }

  test('shows it when the check itself fails', async () => {
    const scope = fakeScope();
    const shouldShow = () => Promise.reject(new Error('broken'));
    await pushTo(scope, { shouldShow })(message(1));
    assert.equal(scope.shown.length, 1);
  });
});
