import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  type ClickEvent,
  handleClick,
  handleFirebase,
  mergeByTag,
  type PushEvent,
  type PushOptions,
  readFirebaseMessage,
} from '../src/worker.ts';
import { FakeWindow, fakeScope, ORIGIN, run } from './fakes.ts';

const options: PushOptions = {
  merge: mergeByTag({ identify: ({ data }) => String(data.message_id) }),
  fallback: { title: 'Chat', body: 'News.' },
};

interface Payload {
  readonly data?: Record<string, string>;
  readonly notification?: { readonly title: string };
}

/** A data message with the payload of native Web Push in it. */
function message(id: number, room = 1) {
  const notification = {
    title: `Room ${room}`,
    body: `ann: text ${id}`,
    navigate: `${ORIGIN}/rooms/${room}`,
    tag: `room-${room}`,
    data: { message_id: id },
  };
  return {
    from: '1234',
    fcmMessageId: `m-${id}`,
    data: { payload: JSON.stringify({ web_push: 8030, notification }) },
  };
}

/** The worker of a page with these windows. `push` does what browser and SDK do: the SDK's listener comes second. */
function startWorker(windows: FakeWindow[] = []) {
  const scope = fakeScope(windows);
  const { onPush, onBackgroundMessage } = handleFirebase(options, scope);
  const sdk = async (payload: Payload) => {
    if (windows.some(({ visibilityState }) => visibilityState === 'visible')) return;
    const { notification } = payload;
    if (notification)
      await scope.registration.showNotification(notification.title, { data: { FCM_MSG: payload } });
    await onBackgroundMessage(payload);
  };
  const push = async (payload: Payload) => {
    const text = () => JSON.stringify(payload);
    await Promise.all([run<PushEvent>(onPush, { data: { text } }), sdk(payload)]);
  };
  return { scope, push, onPush };
}

suite('showing what comes by Firebase', () => {
  test('a data message is one notification, with all that the native payload has', async () => {
    const { scope, push } = startWorker();
    await push(message(1));
    assert.equal(scope.shown.length, 1);
    const [shown] = scope.screen;
    assert.deepEqual([shown?.title, shown?.body, shown?.tag], ['Room 1', 'ann: text 1', 'room-1']);
    assert.partialDeepStrictEqual(shown?.data, { navigate: `${ORIGIN}/rooms/1`, data: { message_id: 1 } });
    assert.deepEqual(scope.badges, [1]);
  });

  test('messages of a room merge, those that come twice count once', async () => {
    const { scope, push } = startWorker();
    await Promise.all([push(message(1)), push(message(2)), push(message(2))]);
    assert.equal(scope.screen.length, 1);
    assert.equal(scope.screen[0]?.body, '2 new messages\nann: text 1\nann: text 2');
  });

  test('what the SDK has shown by itself is not shown again', async () => {
    const { scope, push } = startWorker();
    const notification = { title: 'From the console' };
    await push({ notification });
    assert.deepEqual(
      scope.shown.map(({ title }) => title),
      ['From the console'],
    );
  });

  for (const [what, window, count] of [
    ['the window in view has it open', new FakeWindow({ focused: true, answer: true }), 0],
    ['the window in view has something else open', new FakeWindow({ focused: true, answer: false }), 1],
    ['the window in view has not the focus', new FakeWindow({ visible: true, answer: true }), 1],
    ['a window is there, but hidden', new FakeWindow({ answer: true }), 1],
  ] as const) {
    test(`is shown ${count ? 'once' : 'not at all'} when ${what}`, async () => {
      for (const payload of [message(1), { notification: { title: 'Room 1', tag: 'room-1' } }]) {
        const { scope, push } = startWorker([window]);
        await push(payload);
        assert.equal(scope.shown.length, count);
      }
    });
  }

  test('a message that cannot be read is something general', async () => {
    const { scope, push } = startWorker();
    await push({});
    assert.deepEqual([scope.screen[0]?.title, scope.screen[0]?.body], ['Chat', 'News.']);
    for (const windows of [[], [new FakeWindow({ visible: true })]]) {
      const worker = startWorker(windows);
      await run<PushEvent>(worker.onPush, { data: { text: () => 'no JSON' } });
      await run<PushEvent>(worker.onPush, { data: null });
      assert.equal(worker.scope.shown.length, 2, 'the SDK takes no notice of it');
    }
  });
});

suite('reading an FCM message', () => {
  test('takes title, body and link of a notification message', () => {
    const read = readFirebaseMessage({
      notification: { title: 'T', body: 'B', click_action: '/elsewhere' },
      fcmOptions: { link: '/rooms/7' },
      data: { message_id: '7' },
    });
    assert.deepEqual(read, { title: 'T', body: 'B', navigate: '/rooms/7', data: { message_id: '7' } });
  });

  test('takes them from the data, too, where somebody has put them there', () => {
    const data = { title: 'T', body: 'B', navigate: '/rooms/7', tag: 'room-7' };
    assert.deepEqual(readFirebaseMessage({ data }), { ...data, data });
  });

  for (const [what, value] of [
    ['nothing', undefined],
    ['text', 'T'],
    ['a message without a title', { data: { body: 'B' }, notification: {} }],
    ['a payload that is cut', { data: { payload: '{"web_push":8030,"notif' } }],
  ] as const) {
    test(`gives nothing for ${what}`, () => assert.equal(readFirebaseMessage(value), undefined));
  }
});

test('a click on a notification that the SDK has shown opens its link', async () => {
  for (const FCM_MSG of [
    { fcmOptions: { link: 'https://elsewhere.example/rooms/3' } },
    { notification: { click_action: '/rooms/3' } },
  ]) {
    const scope = fakeScope();
    await run<ClickEvent>(handleClick(scope), { notification: { data: { FCM_MSG }, close() {} } });
    assert.deepEqual(scope.opened, [`${ORIGIN}/rooms/3`]);
  }
});
