import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from '../../src/consumers/command.ts';
import { ApiError } from '../../src/errors.ts';
import { Recorder } from './recorder.ts';

test('a known method takes the body as the bare request', () => {
  assert.deepEqual(parseCommand('publish', { channel: 'a' }), {
    method: 'publish',
    request: { channel: 'a' },
  });
  assert.deepEqual(parseCommand('publish', '{"channel":"a"}'), {
    method: 'publish',
    request: { channel: 'a' },
  });
});

test('without a method the body is {method, payload}, the payload an object or JSON text', () => {
  const expected = { method: 'publish', request: { channel: 'a' } };
  assert.deepEqual(parseCommand('', { method: 'publish', payload: { channel: 'a' }, other: 1 }), expected);
  assert.deepEqual(parseCommand('', { method: 'publish', payload: '{"channel":"a"}' }), expected);
  assert.deepEqual(parseCommand('', '{"method":"publish","payload":{"channel":"a"}}'), expected);
});

test('what is no command is refused with words', () => {
  for (const body of [null, 'null', '', 7, [], {}, { method: 7 }])
    assert.throws(() => parseCommand('', body), { name: 'BadCommandError' });
  assert.throws(() => parseCommand('', { method: 'publish', payload: '{broken' }), /not valid JSON/);
});

test('a reason quotes no payload, and no more than a hundred characters of a name', async () => {
  const recorder = new Recorder();
  const place = { partition: 0, position: '1' };
  const secret = 'c2VjcmV0LXRva2Vu';
  const unreadable = await recorder
    .runner()
    .run({ ...place, method: 'publish', body: `{"token":${secret}` }, 1);
  assert.deepEqual(unreadable, { kind: 'parked', reason: 'not valid JSON' });
  const unknown = await recorder
    .runner({ isAllowed: (method) => method === 'publish' })
    .run({ ...place, method: 'x'.repeat(1_000_000), body: {} }, 1);
  assert.ok(unknown.kind === 'parked' && unknown.reason.length < 200);
  const log = recorder.logged.join('');
  assert.ok(!log.includes(secret) && log.length < 1_000);
});

test('a command that is tried again and again is told of at first, and then now and then', async () => {
  const recorder = new Recorder();
  recorder.dispatch = () => {
    throw new ApiError('unavailable', 'Redis is away');
  };
  const command = { method: 'publish', body: { n: 1 }, partition: 0, position: '1' };
  for (let attempt = 1; attempt <= 30; attempt++) await recorder.runner().run(command, attempt);
  assert.equal(recorder.logged.length, 4);
});
