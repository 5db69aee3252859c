import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryDatabase } from '../support/database.ts';
import { openPushBench, subscription } from '../support/push.ts';

interface Line {
  readonly message: string;
  readonly uid?: string;
  readonly codes?: Record<string, number>;
}

test('a push can be followed by its uid from acceptance to outcome, and no token or key is in any line', async () => {
  const lines: Line[] = [];
  const log = (fields: object, message: string) => {
    lines.push({ ...fields, message });
  };
  const { db, drop } = await memoryDatabase();
  const bench = await openPushBench(db, { logger: { debug: log, info: log, warn: log, error: log } });
  const name = 'a-secret-endpoint-of-some-length';
  const token = subscription(name);
  await bench.call('device_register', { provider: 'webpush', platform: 'web', token, user: 'log' });
  bench.senders.answer = (_name, attempt) =>
    attempt === 1
      ? { kind: 'retry', code: 'unavailable', reason: 'HTTP 503' }
      : { kind: 'failed', code: 'forbidden', reason: 'wrong key' };
  await bench.ring({ users: ['log'] }, { uid: 'followed' });
  await bench.untilIdle();
  await bench.ring({ users: ['log'] }, { uid: 'followed' });
  const send_at = Math.floor(Date.now() / 1000) + 600;
  await bench.ring({ users: ['log'] }, { uid: 'cancelled', send_at });
  await bench.call('cancel_push', { uid: 'cancelled' });
  await bench.call('send_push_notification', {
    recipient: { webpush_tokens: [token] },
    notification: { webpush: { payload: {} } },
  });
  await bench.untilIdle();
  const of = (uid: string) => lines.filter((line) => line.uid === uid).map(({ message }) => message);
  assert.deepEqual(of('followed'), [
    'push accepted',
    'push fanned out',
    'push not accepted',
    'push batch sent',
    'push not accepted',
    'push batch sent',
    'push known already: nothing is sent again',
  ]);
  assert.deepEqual(of('cancelled'), ['push accepted', 'push cancelled']);
  const codes = lines
    .filter((line) => line.uid === 'followed')
    .flatMap((line) => (line.codes ? [line.codes] : []));
  assert.deepEqual(codes, [{ unavailable: 1 }, { forbidden: 1 }]);
  const text = JSON.stringify(lines);
  const { keys } = JSON.parse(token) as { keys: Record<string, string> };
  for (const secret of [name, ...Object.values(keys)]) assert.ok(!text.includes(secret));
  await bench.close();
  await drop();
});
