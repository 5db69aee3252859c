import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { WebSocket } from 'ws';
import { applyFossilDelta } from '../../support/fossil.ts';
import {
  connectClient,
  RawClient,
  type RealtimeServer,
  startRealtime,
  token,
} from '../../support/realtime.ts';

/** A large object of which little changes; with characters of several bytes. */
const document = (n: number) => ({
  title: 'Žluťoučký kůň úpěl ďábelské ódy',
  rows: Array.from({ length: 30 }, (_, row) => ({ row, value: row === n % 30 ? `${n}é` : 'è' })),
});

suite('deltas in publications', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());

  test('the official client gets one whole publication and deltas after it, in JSON and in Protobuf', async () => {
    for (const Client of [Centrifuge, ProtobufCentrifuge]) {
      const channel = `delta:${Client === Centrifuge ? 'json' : 'protobuf'}`;
      const client = new Client(server.url, { websocket: WebSocket, token: await token({ sub: '42' }) });
      const subscription = client.newSubscription(channel, { delta: 'fossil' });
      const seen: unknown[] = [];
      const all = new Promise<void>((resolve) => {
        subscription.on('publication', ({ data }) => {
          seen.push(Client === Centrifuge ? data : JSON.parse(new TextDecoder().decode(data)));
          if (seen.length === 20) resolve();
        });
      });
      subscription.subscribe();
      client.connect();
      await subscription.ready(5_000);
      for (let n = 0; n < 20; n++) await server.publish(channel, document(n));
      await all;
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => document(n)),
      );
      const { numFullPayloads, numDeltaPayloads, compressionRatio } = subscription.deltaStats();
      assert.deepEqual([numFullPayloads, numDeltaPayloads], [1, 19]);
      assert.ok(compressionRatio > 0.8, `${compressionRatio}`);
      client.disconnect();
    }
  });

  test('recovered publications come as deltas of each other, and what follows as a delta of the last', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('delta:recovered', { delta: 'fossil' });
    const seen: unknown[] = [];
    let complete = () => {};
    const all = new Promise<void>((resolve) => {
      complete = resolve;
    });
    subscription.on('publication', ({ data }) => {
      seen.push(data);
      if (seen.length === 7) complete();
    });
    subscription.subscribe();
    await subscription.ready(5_000);
    const first = new Promise((resolve) => subscription.once('publication', resolve));
    await server.publish('delta:recovered', document(0));
    await first;
    const back = new Promise((resolve) => subscription.once('subscribed', resolve));
    server.cutConnections();
    for (let n = 1; n <= 5; n++) await server.publish('delta:recovered', document(n));
    await back;
    await server.publish('delta:recovered', document(6));
    await all;
    assert.deepEqual(
      seen,
      Array.from({ length: 7 }, (_, n) => document(n)),
    );
    assert.equal(subscription.deltaStats().numDeltaPayloads, 5, 'four recovered ones, and the live one');
    client.disconnect();
  });

  test('on the wire data are a string: the whole first, then a delta, and the whole where that is shorter', async () => {
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, subscribe: { channel: 'delta:wire', delta: 'fossil' } });
    const { subscribe } = (await client.next()) as { subscribe: { delta: boolean } };
    assert.equal(subscribe.delta, true);
    const next = async () =>
      ((await client.next()) as { push: { pub: { data: string; delta?: boolean } } }).push.pub;
    await server.publish('delta:wire', document(1));
    const whole = await next();
    assert.deepEqual([whole.delta, JSON.parse(whole.data)], [undefined, document(1)]);
    await server.publish('delta:wire', document(2));
    const delta = await next();
    assert.equal(delta.delta, true);
    const made = applyFossilDelta(Buffer.from(whole.data), Buffer.from(delta.data));
    assert.deepEqual(JSON.parse(made.toString()), document(2));
    await server.publish('delta:wire', 5);
    assert.deepEqual(await next().then(({ data, delta }) => [data, delta]), ['5', undefined]);
    client.socket.close();
  });

  test('without negotiation, without the publisher’s wish, and in history publications are plain', async () => {
    const plain = await RawClient.connected(server.url);
    plain.send({ id: 2, subscribe: { channel: 'delta:plain' } });
    const wishing = await RawClient.connected(server.url);
    wishing.send(
      { id: 2, subscribe: { channel: 'delta:plain', delta: 'fossil' } },
      { id: 3, subscribe: { channel: 'tagged:plain', delta: 'fossil' } },
      { id: 4, subscribe: { channel: 'news:plain', delta: 'fossil' } },
    );
    await plain.next();
    await wishing.next();
    assert.equal(((await wishing.next()) as { subscribe: { delta?: boolean } }).subscribe.delta, true);
    const { subscribe } = (await wishing.next()) as { subscribe: { delta?: boolean } };
    assert.equal(subscribe.delta, undefined, 'the namespace allows none');
    for (const n of [1, 2]) {
      await server.publish('delta:plain', document(n));
      const { push } = (await plain.next()) as { push: { pub: { data: unknown; delta?: boolean } } };
      assert.deepEqual([push.pub.data, push.pub.delta], [document(n), undefined]);
      await wishing.next();
    }
    for (const wish of [undefined, undefined, true]) {
      await server.publish('tagged:plain', document(wish ? 1 : 0), { delta: wish });
      const { push } = (await wishing.next()) as { push: { pub: { data: unknown; delta?: boolean } } };
      assert.equal(push.pub.delta, wish);
      assert.equal(typeof push.pub.data, 'string');
    }
    wishing.send({ id: 5, history: { channel: 'delta:plain', limit: 5 } });
    const { history } = (await wishing.next()) as { history: { publications: { data: unknown }[] } };
    assert.deepEqual(
      history.publications.map(({ data }) => data),
      [document(1), document(2)],
    );
    plain.socket.close();
    wishing.socket.close();
  });

  test('an unknown kind of delta closes with 3501', async () => {
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, subscribe: { channel: 'delta:a', delta: 'xdelta' } });
    assert.equal((await client.closed()).code, 3501);
  });
});
