import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from '../../src/consumers/command.ts';

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
