import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonCodec } from '../../src/realtime/codec/json.ts';
import { Counters } from '../../src/realtime/counters.ts';
import { Session } from '../../src/realtime/session.ts';
import { silent } from '../support/realtime.ts';

test('a client that reads slowly is not taken for one that reads nothing, whatever script the text is in', async () => {
  let buffered = 0;
  const session = new Session({
    transport: {
      name: 'websocket',
      codec: jsonCodec,
      writeTimeoutMs: 1_000,
      write: (messages) => {
        buffered += Buffer.byteLength(messages.join(''));
      },
      buffered: () => buffered,
      close() {},
    },
    headers: {} as never,
    handler: {} as never,
    queueMaxSize: 10_000_000,
    logger: silent,
    counters: new Counters(),
    onClose() {},
  });
  const second = async (share: number) => {
    session.send({ push: { message: { data: '一'.repeat(10_000) } } });
    await new Promise(setImmediate);
    buffered -= Math.floor(share * 30_000);
    return session.isStuck(1_000);
  };
  for (let n = 0; n < 5; n++) assert.equal(await second(0.3), false);
  assert.equal(await second(0), false, 'for a second');
  assert.equal(await second(0), true);
});
