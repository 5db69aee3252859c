import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { migrate, UnavailableError } from 'carillon';
import { postgresDatabase, withoutPostgres } from '../../../../packages/carillon/test/support/database.ts';
import { MIGRATIONS } from '../src/index.ts';
import { CarillonClient } from '../src/push/carillon-client.ts';
import { ApiBroadcaster } from '../src/rooms/commands/api-broadcaster.ts';
import { RoomQueues } from '../src/rooms/commands/room-queues.ts';
import { CarillonRecorder } from './support/bench.ts';

/** Work that ends when it is told to. */
function handWork() {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = async (items: readonly string[]) => {
    begun.push(items[0] as string);
    await new Promise<void>((resolve) => ends.push(resolve));
    return 1;
  };
  return {
    begun,
    work,
    /** Ends the oldest, and lets what follows begin. */
    async end() {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

suite('queues of rooms', () => {
  test('work on one item of a room after another, rooms side by side up to a number', async () => {
    const { begun, work, end } = handWork();
    const queues = new RoomQueues({ max: 10, maxPerRoom: 10, concurrency: 2, work });
    for (const item of ['a1', 'a2', 'b1', 'c1', 'b2']) queues.add(item.charCodeAt(0), item);
    assert.deepEqual(begun, ['a1', 'b1']);
    await end();
    assert.deepEqual(begun, ['a1', 'b1', 'c1'], 'a room that waited longer comes first');
    await end();
    await end();
    assert.deepEqual(begun, ['a1', 'b1', 'c1', 'a2', 'b2']);
    const idle = queues.idle();
    await end();
    await end();
    await idle;
    assert.equal(queues.size, 0);
  });

  test('refuse what is too much for a room, or for all, and take it again when there is place', async () => {
    const { work, end } = handWork();
    const queues = new RoomQueues({ max: 3, maxPerRoom: 2, concurrency: 1, work });
    assert.deepEqual(
      [
        queues.add(1, 'a1'),
        queues.add(1, 'a2'),
        queues.add(1, 'a3'),
        queues.add(2, 'b1'),
        queues.add(3, 'c1'),
      ],
      [true, true, false, true, false],
    );
    await end();
    assert.equal(queues.add(1, 'a3'), true);
  });
});

suite('events that the API cannot take', { skip: withoutPostgres }, () => {
  test('are dropped, counted and told of when too many of a room wait, and a stop waits for the rest no longer than its bound', async () => {
    const database = await postgresDatabase();
    const carillon = new CarillonRecorder();
    carillon.answers.set('broadcast', 'silence');
    const said: { reason: string; further?: number }[] = [];
    const broadcaster = new ApiBroadcaster({
      db: database.db,
      server: new CarillonClient({ url: await carillon.start(), apiKey: 'key' }),
      attempts: 6,
      otherwise: 'it is lost',
      logger: { warn() {}, error: (fields: object) => void said.push(fields as (typeof said)[number]) },
    });
    try {
      await migrate(database.db, 'grandchat', MIGRATIONS);
      for (let n = 0; n < 1_007; n++) {
        broadcaster.send({
          roomId: 1,
          type: 'message_added',
          body: { n },
          idempotencyKey: `message_${n}`,
          toMembers: true,
          toUsers: [1],
        });
      }
      await carillon.until('broadcast', 1);
      await broadcaster.close();
      assert.equal(broadcaster.dropped, 1_007, 'each is counted once');
      assert.deepEqual(
        said.map(({ reason, further }) => [reason, further]),
        [
          ['too many events wait', undefined],
          ['GrandChat stops', undefined],
          ['too many events wait', 5],
          ['GrandChat stops', 998],
        ],
        'four lines say it all',
      );
      assert.ok(carillon.of('broadcast').length <= 2);
    } finally {
      await carillon.close();
      await database.drop();
    }
  });

  test('wait while the database is away from which members are read, and come when it is back', async () => {
    const database = await postgresDatabase();
    const carillon = new CarillonRecorder();
    let isAway = true;
    const warned: object[] = [];
    const broadcaster = new ApiBroadcaster({
      db: {
        ...database.db,
        // As the pool of a server that cannot be reached answers.
        query: (text, params) =>
          isAway
            ? Promise.reject(new UnavailableError('PostgreSQL', new Error('connect ECONNREFUSED')))
            : database.db.query(text, params),
      },
      server: new CarillonClient({ url: await carillon.start(), apiKey: 'key' }),
      attempts: 100,
      otherwise: 'it is lost',
      logger: {
        error: () => assert.fail('an event was dropped'),
        warn: (fields: object) => {
          warned.push(fields);
          isAway = false;
        },
      },
    });
    try {
      await migrate(database.db, 'grandchat', MIGRATIONS);
      broadcaster.send({
        roomId: 1,
        type: 'message_added',
        body: { n: 1 },
        idempotencyKey: 'message_1',
        toMembers: true,
        toUsers: [7],
      });
      await carillon.until('broadcast', 1);
      assert.deepEqual(carillon.of('broadcast')[0]?.channels, ['personal:7']);
      assert.equal(warned.length, 1);
      await broadcaster.close();
      assert.equal(broadcaster.dropped, 0);
    } finally {
      await carillon.close();
      await database.drop();
    }
  });
});
