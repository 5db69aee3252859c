import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { messagePush } from '../src/push/message-push.ts';

const message = {
  id: 7,
  content: 'Hello\nthere',
  client_id: null,
  user: { id: 1, username: 'ann' },
  room: { id: 3, version: 5, bumped_at: '2026-11-24T12:00:00.123456Z' },
  created_at: '2026-11-24T12:00:00.123456Z',
};
const payload = () => {
  const { webpush } = messagePush(message, 'Garden', {
    origin: 'https://chat.example',
    firebase: false,
  }) as { webpush: { payload: Record<string, unknown> } };
  return webpush.payload;
};

/**
 * Why a browser would not take JSON for a declarative push message, by the rules of the Push API's parser: what it would
 * refuse, and what it would pass over.
 */
function faultsOf(text: string): string[] {
  const { web_push, notification, app_badge, mutable, ...others } = JSON.parse(text);
  const { title, navigate, dir, lang, body, tag, icon, silent, app_badge: misplaced } = notification ?? {};
  const optional = (value: unknown, type: string) => value === undefined || typeof value === type;
  return Object.entries({
    'web_push is 8030': web_push === 8030,
    'title is text': typeof title === 'string' && title !== '',
    'navigate is an absolute URL': typeof navigate === 'string' && URL.canParse(navigate),
    'dir is a direction': dir === undefined || ['auto', 'ltr', 'rtl'].includes(dir),
    'lang, body, tag, icon are text': [lang, body, tag, icon].every((value) => optional(value, 'string')),
    'silent is true or false': optional(silent, 'boolean'),
    'app_badge is a whole number':
      app_badge === undefined || (Number.isSafeInteger(app_badge) && app_badge >= 0),
    'app_badge is beside the notification': misplaced === undefined,
    'mutable is true or false': optional(mutable, 'boolean'),
    'nothing else is beside the notification': Object.keys(others).length === 0,
  }).flatMap(([rule, holds]) => (holds ? [] : [rule]));
}

suite('the payload of a message', () => {
  test('is a declarative push message, with what the service worker needs besides', () => {
    assert.deepEqual(faultsOf(JSON.stringify(payload())), []);
    assert.deepEqual(payload().notification, {
      title: 'Garden',
      body: 'ann: Hello there',
      navigate: 'https://chat.example/rooms/3',
      tag: 'room-3',
      data: {
        type: 'message',
        room_id: 3,
        room_name: 'Garden',
        message_id: 7,
        author: 'ann',
        text: 'Hello there',
      },
    });
  });

  for (const [rule, change] of [
    ['web_push is 8030', { web_push: '8030' }],
    ['title is text', { notification: { navigate: 'https://chat.example/' } }],
    ['navigate is an absolute URL', { notification: { title: 'T', navigate: '/rooms/3' } }],
    [
      'app_badge is beside the notification',
      { notification: { title: 'T', navigate: 'https://chat.example/', app_badge: 3 } },
    ],
    ['app_badge is a whole number', { app_badge: '3' }],
  ] as const) {
    test(`the rule that ${rule} is looked at`, () => {
      assert.deepEqual(faultsOf(JSON.stringify({ ...payload(), ...change })), [rule]);
    });
  }
});
