import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { UnavailableError } from '../../src/errors.ts';
import type { Engine } from '../../src/realtime/engine.ts';
import { Nodes, type NodeTask } from '../../src/realtime/nodes.ts';
import { openRedisEngine } from '../support/engine.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

suite('questions to all nodes', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  const engines = new Set<Engine>();
  before(async () => {
    redis = await startRedis();
  });
  after(async () => {
    for (const engine of engines) await engine.close();
    await redis?.drop();
  });

  const join = async (uid: string, greet: NodeTask, answerMs = 400) => {
    const engine = await openRedisEngine(redis.address, { prefix: 'nodes' });
    engines.add(engine);
    const counts = { num_clients: 0, num_users: 0, num_channels: 0, num_subs: 0 };
    const info = () => ({ uid, name: `name of ${uid}`, version: '1', ...counts });
    const nodes = new Nodes({ bus: engine.bus, uid, info, tasks: { greet }, answerMs });
    await nodes.start();
    const leave = async () => {
      await nodes.close();
      engines.delete(engine);
      await engine.close();
    };
    return { nodes, engine, leave };
  };
  const uids = ({ nodes }: { nodes: Nodes }) =>
    nodes
      .list()
      .map(({ uid }) => uid)
      .sort();

  test('all answer, or the asker is told who did not, and asks again', async () => {
    let answers = true;
    const a = await join('a', ({ to }: { to: string }) => `a ${to}`);
    const b = await join('b', ({ to }: { to: string }) => (answers ? `b ${to}` : new Promise(() => {})));
    const c = await join('c', () => 'c');
    await until(() => uids(a).join() === 'a,b,c' && uids(b).join() === 'a,b,c');
    assert.deepEqual(uids(c), ['a', 'b', 'c']);
    assert.deepEqual((await a.nodes.ask('greet', { to: 'all' })).sort(), ['a all', 'b all', 'c']);
    assert.deepEqual(await a.nodes.askOne('b', 'greet', { to: 'one' }), { result: 'b one' });
    assert.deepEqual(await a.nodes.askOne('a', 'greet', { to: 'me' }), { result: 'a me' });
    assert.equal(await a.nodes.askOne('x', 'greet', {}), undefined);

    answers = false;
    const silent = (error: Error) =>
      error instanceof UnavailableError &&
      /^node name of b cannot be used: it gave no answer/.test(error.message);
    await assert.rejects(a.nodes.ask('greet', {}), silent);
    await assert.rejects(a.nodes.askOne('b', 'greet', {}), silent);
    const asked = c.nodes.ask('greet', {});
    await b.leave();
    assert.deepEqual(
      (await asked).sort(),
      ['a undefined', 'c'],
      'a node that has gone is waited for no longer',
    );
    for (const { leave } of [a, c]) await leave();
  });

  test('a failure on one node is one of the whole', async () => {
    const a = await join('a', () => 'fine');
    const b = await join('b', () => {
      throw new Error('not here');
    });
    await until(() => uids(a).length === 2);
    await assert.rejects(a.nodes.ask('greet', {}), /not here/);
    await assert.rejects(a.nodes.ask('dance', {}), /knows no task "dance"/);
    for (const { leave } of [a, b]) await leave();
  });

  test('a node whose connection to Redis was lost is still waited for afterwards, and answers', async () => {
    const a = await join('a', () => 'a', 5_000);
    const b = await join('b', () => 'b', 5_000);
    await until(() => uids(a).length === 2);
    await redis.kill();
    await assert.rejects(a.nodes.ask('greet', {}), UnavailableError);
    await redis.start();
    await until(() =>
      Promise.all([a, b].map(({ engine }) => engine.broker.ping())).then(
        () => true,
        () => false,
      ),
    );
    await until(() => Boolean(a.engine.bus?.isReady && b.engine.bus?.isReady));
    assert.deepEqual(uids(a), ['a', 'b']);
    // Whoever is just taking up its subscription again may miss a question: then the asker is told.
    await until(() =>
      a.nodes.ask('greet', {}).then(
        (all) => all.sort().join() === 'a,b',
        () => false,
      ),
    );
    for (const { leave } of [a, b]) await leave();
  });
});
