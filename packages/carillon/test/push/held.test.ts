import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OperatorAlarm } from '../../src/push/worker/operator-alarm.ts';
import { eachPush, openPushBench, type PushBench, type PushPlace } from '../support/push.ts';

interface Report {
  readonly items: readonly { status: string; code: string; attempts: number }[];
  readonly dead_letters: readonly { code: string; reason: string }[];
}

const HELD = {
  kind: 'retry',
  code: 'oauth_refused',
  reason: 'no access token: invalid_grant',
  retryAfterMs: 5,
  isHeld: true,
} as const;

eachPush('pushes whose credential is broken', (open) => {
  let place: PushPlace;
  let bench: PushBench;
  const warnings: object[] = [];
  before(async () => {
    place = await open();
    const logger = { debug() {}, info() {}, error() {}, warn: (fields: object) => warnings.push(fields) };
    bench = await openPushBench(place.db, {
      queue: place.queue,
      logger,
      config: { retry: { max_attempts: 2, base_delay: '1ms', max_delay: '2ms', max_hold: '2s' } },
    });
  });
  after(async () => {
    await bench?.close();
    await place?.drop();
  });

  test('wait for as long as it takes to mend it, without using up their attempts', async () => {
    await bench.register('patient', 'pat');
    bench.senders.answer = (_name, attempt) => (attempt <= 6 ? HELD : { kind: 'accepted', code: 'accepted' });
    const uid = await bench.ring({ users: ['pat'] });
    await bench.untilIdle();
    const { items } = await bench.call<Report>('push_status', { uid });
    assert.deepEqual(
      items.map(({ status, attempts }) => [status, attempts]),
      [['accepted', 1]],
    );
  });

  test('are told to the operator once, with the reason, not once a batch', () => {
    assert.deepEqual(
      warnings.map((fields) => ({ ...fields, retryAfterMs: 0 })),
      [
        {
          provider: 'webpush',
          code: 'oauth_refused',
          reason: 'no access token: invalid_grant',
          held: 1,
          retryAfterMs: 0,
        },
      ],
    );
  });

  test('become dead letters with the reason when max_hold and the attempts are over', async () => {
    await bench.register('hopeless', 'hope');
    bench.senders.answer = () => HELD;
    const uid = await bench.ring({ users: ['hope'] });
    await bench.untilIdle();
    const { dead_letters: letters } = await bench.call<Report>('push_status', { uid });
    assert.deepEqual(
      letters.map(({ code, reason }) => [code, reason]),
      [['oauth_refused', 'gave up: no access token: invalid_grant']],
    );
  });
});

test('an operator is told again after a minute, and of each code and lane by itself', () => {
  const told: string[] = [];
  let now = 0;
  const warn = (fields: object) => {
    const { provider, code } = fields as { provider: string; code: string };
    told.push(`${provider} ${code}`);
  };
  const alarm = new OperatorAlarm({ debug() {}, info() {}, error() {}, warn }, () => now);
  const held = { index: 0, ...HELD };
  alarm.note('fcm', [
    held,
    { ...held, code: 'quota_exceeded' },
    { index: 1, kind: 'retry', code: 'timeout' },
  ]);
  alarm.note('fcm', [held]);
  alarm.note('fcm:shop', [held]);
  assert.deepEqual(told, ['fcm oauth_refused', 'fcm quota_exceeded', 'fcm:shop oauth_refused']);
  now = 60_000;
  alarm.note('fcm', [held]);
  assert.equal(told.length, 4);
});
