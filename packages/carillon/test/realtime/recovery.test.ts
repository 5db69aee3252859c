import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import type { SubscribedContext } from 'centrifuge';
import { memoryEngine } from '../../src/realtime/engine.ts';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { connectClient, RawClient, type RealtimeServer, startRealtime } from '../support/realtime.ts';

suite('recovery with the official client', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());
  /** How often by `recovered` and `has_recovered_publications`. */
  const recoveries = (): Record<string, number> =>
    Object.fromEntries(
      [...server.realtime.counters.recoveries.entries()].map(({ labels, value }) => [labels.join(), value]),
    );

  test('a dropped connection comes back to all 50 messages, in order, once', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('news:fifty');
    const seen: number[] = [];
    let complete = () => {};
    const all = new Promise<void>((resolve) => {
      complete = resolve;
    });
    subscription.on('publication', ({ data }) => {
      seen.push(data.n);
      if (data.n === 51) complete();
    });
    subscription.subscribe();
    await subscription.ready(5_000);
    await server.publish('news:fifty', { n: 0 });

    const back = subscribedAgain(subscription);
    server.cutConnections();
    for (let n = 1; n <= 50; n++) await server.publish('news:fifty', { n });
    const context = await back;
    await server.publish('news:fifty', { n: 51 });
    await all;
    assert.equal(context.wasRecovering, true);
    assert.equal(context.recovered, true);
    assert.deepEqual(
      seen,
      Array.from({ length: 52 }, (_, n) => n),
    );
    client.disconnect();
  });

  test('messages published while the client resubscribes are neither lost nor doubled', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('news:race');
    const seen: number[] = [];
    subscription.on('publication', ({ data }) => seen.push(data.n));
    subscription.subscribe();
    await subscription.ready(5_000);
    let n = 0;
    for (let round = 0; round < 5; round++) {
      const back = subscribedAgain(subscription);
      server.cutConnections();
      let running = true;
      const publishing = (async () => {
        while (running) {
          await server.publish('news:race', { n: n++ });
          await new Promise((resolve) => setImmediate(resolve));
          if (n % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      await back;
      running = false;
      await publishing;
    }
    const last = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data }) => data.n === n && resolve());
    });
    await server.publish('news:race', { n });
    await last;
    // A round may outrun the history of 300; then the client is told, and what follows is still in order.
    assert.deepEqual(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
    );
    client.disconnect();
  });

  test('after 301 missed messages the client is told that it has a gap', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('news:many');
    subscription.subscribe();
    await subscription.ready(5_000);
    const back = subscribedAgain(subscription);
    server.cutConnections();
    for (let n = 0; n < 301; n++) await server.publish('news:many', { n });
    const context = await back;
    assert.equal(context.wasRecovering, true);
    assert.equal(context.recovered, false);
    client.disconnect();
  });

  test('a position of another epoch is not recovered, and error 112 when the client wants none but a whole one', async () => {
    await server.publish('news:epoch', { n: 1 });
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, subscribe: { channel: 'news:epoch', recover: true, offset: 1, epoch: 'old' } });
    const { subscribe } = (await client.next()) as { subscribe: Record<string, unknown> };
    assert.equal(subscribe.recovered, undefined);
    assert.equal(subscribe.was_recovering, true);
    assert.equal(subscribe.offset, 1);
    client.send(
      { id: 3, unsubscribe: { channel: 'news:epoch' } },
      { id: 4, subscribe: { channel: 'news:epoch', recover: true, offset: 1, epoch: 'old', flag: 2 } },
    );
    assert.deepEqual(await client.next(), { id: 3, unsubscribe: {} });
    const before = recoveries();
    assert.deepEqual(await client.next(), { id: 4, error: { code: 112, message: 'unrecoverable position' } });
    assert.deepEqual(recoveries(), before, 'an error is no recovery');
    client.socket.close();
  });

  test('recovered publications come in the reply, from the position that was asked for', async () => {
    for (const n of [1, 2, 3]) await server.publish('news:reply', { n });
    const before = recoveries();
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, subscribe: { channel: 'news:reply', recover: true, offset: 1, epoch: '' } });
    const { subscribe } = (await client.next()) as { subscribe: Record<string, unknown> };
    assert.equal(subscribe.recovered, true);
    assert.equal(subscribe.offset, 1);
    assert.deepEqual(subscribe.publications, [
      { data: { n: 2 }, offset: 2 },
      { data: { n: 3 }, offset: 3 },
    ]);
    assert.equal(recoveries()['yes,yes'], (before['yes,yes'] ?? 0) + 1);
    client.socket.close();
  });

  test('publications from before and after history is read, while the reply is under way, arrive once and in order', async () => {
    class SlowBroker extends MemoryBroker {
      meanwhile: (() => Promise<void>)[] = [];
      override async history(
        ...request: Parameters<MemoryBroker['history']>
      ): ReturnType<MemoryBroker['history']> {
        await this.meanwhile.shift()?.();
        const result = await super.history(...request);
        await this.meanwhile.shift()?.();
        return result;
      }
    }
    const broker = new SlowBroker();
    const own = await startRealtime({ engine: { ...memoryEngine(), broker } });
    for (const n of [1, 2]) await own.publish('news:slow', { n });
    const client = await RawClient.connected(own.url);
    broker.meanwhile = [() => own.publish('news:slow', { n: 3 }), () => own.publish('news:slow', { n: 4 })];
    client.send({ id: 2, subscribe: { channel: 'news:slow', recover: true, offset: 1, epoch: '' } });
    const { subscribe } = (await client.next()) as {
      subscribe: { publications: { offset: number }[]; recovered: boolean };
    };
    assert.equal(subscribe.recovered, true);
    await own.publish('news:slow', { n: 5 });
    const offsets = subscribe.publications.map(({ offset }) => offset);
    while (offsets.at(-1) !== 5) {
      const { push } = (await client.next()) as { push: { pub: { offset: number } } };
      offsets.push(push.pub.offset);
    }
    assert.deepEqual(offsets, [2, 3, 4, 5]);
    client.socket.close();
    await own.close();
  });

  test('a server that shuts down sends clients away with a code that lets them come back', async () => {
    const own = await startRealtime();
    const client = await RawClient.connected(own.url);
    const closed = client.closed();
    await own.close();
    assert.deepEqual(await closed, { code: 3001, reason: 'shutdown' });
    if (client.socket.readyState !== client.socket.CLOSED) await once(client.socket, 'close');
  });
});

function subscribedAgain(subscription: {
  once(event: 'subscribed', listener: (context: SubscribedContext) => void): unknown;
}): Promise<SubscribedContext> {
  return new Promise((resolve) => {
    subscription.once('subscribed', resolve);
  });
}
