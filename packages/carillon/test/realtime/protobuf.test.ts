import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { Centrifuge } from 'centrifuge/build/protobuf';
import protobuf from 'protobufjs';
import { WebSocket } from 'ws';
import { CLIENT_PROTOCOL } from '../../src/realtime/codec/schema.ts';
import { payloadOfBytes } from '../../src/realtime/payload.ts';
import { RawClient, type RealtimeServer, startRealtime, token } from '../support/realtime.ts';

const { root } = protobuf.parse(CLIENT_PROTOCOL, { keepCase: true });
const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (data: Uint8Array) => new TextDecoder().decode(data);

suite('Protobuf over WebSocket', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());

  async function connect(user = '42'): Promise<Centrifuge> {
    const client = new Centrifuge(server.url, {
      websocket: WebSocket,
      token: await token({ sub: user, info: { name: 'Ann' } }),
      minReconnectDelay: 10,
      maxReconnectDelay: 50,
    });
    client.connect();
    await client.ready(5_000);
    return client;
  }

  async function publishBytes(name: string, data: Buffer): Promise<void> {
    const channel = server.realtime.channels.find(name);
    assert.ok(channel);
    await server.realtime.publisher.publish(channel, { data: payloadOfBytes(data) });
  }

  test('the official client subscribes, publishes, reads presence and history, and recovers', async () => {
    const client = await connect();
    const talk = client.newSubscription('open:protobuf');
    const joined = new Promise((resolve) => talk.once('join', ({ info }) => resolve(textOf(info.connInfo))));
    const said = new Promise((resolve) => talk.once('publication', resolve));
    talk.subscribe();
    await talk.ready(5_000);
    assert.equal(await joined, '{"name":"Ann"}');
    await talk.publish(bytes('{"hi":1}'));
    const { data, info } = (await said) as { data: Uint8Array; info: { user: string } };
    assert.deepEqual([textOf(data), info.user], ['{"hi":1}', '42']);
    assert.deepEqual(await talk.presenceStats(), { numClients: 1, numUsers: 1 });
    assert.equal(Object.keys((await talk.presence()).clients).length, 1);

    const news = client.newSubscription('news:protobuf');
    const seen: string[] = [];
    let complete = () => {};
    const all = new Promise<void>((resolve) => {
      complete = resolve;
    });
    news.on('publication', (event) => {
      seen.push(textOf(event.data));
      if (seen.at(-1) === '{"n":4}') complete();
    });
    news.subscribe();
    await news.ready(5_000);
    await server.publish('news:protobuf', { n: 0 });
    const back = new Promise<{ recovered: boolean }>((resolve) => news.once('subscribed', resolve));
    server.cutConnections();
    for (const n of [1, 2, 3]) await server.publish('news:protobuf', { n });
    assert.equal((await back).recovered, true);
    await server.publish('news:protobuf', { n: 4 });
    await all;
    assert.deepEqual(
      seen,
      [0, 1, 2, 3, 4].map((n) => `{"n":${n}}`),
    );
    const { publications, offset } = await news.history({ limit: 2 });
    assert.deepEqual([publications.map((item) => item.offset), offset], [[1, 2], 5]);
    client.disconnect();
  });

  test('bytes that are no JSON reach Protobuf connections, from clients and from the server, and are recovered', async () => {
    const client = await connect();
    const subscription = client.newSubscription('open:bytes');
    const got: Buffer[] = [];
    const both = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data }) => got.push(Buffer.from(data)) === 2 && resolve());
    });
    subscription.subscribe();
    await subscription.ready(5_000);
    await subscription.publish(Buffer.from([0, 255, 1]));
    await publishBytes('open:bytes', Buffer.from([254, 0]));
    await both;
    assert.deepEqual(got, [Buffer.from([0, 255, 1]), Buffer.from([254, 0])]);

    await publishBytes('news:bytes', Buffer.from([0xc0]));
    const { publications } = await (async () => {
      const news = client.newSubscription('news:bytes');
      news.subscribe();
      await news.ready(5_000);
      return news.history({ limit: 1 });
    })();
    assert.deepEqual(Buffer.from(publications[0]?.data), Buffer.from([0xc0]));
    client.disconnect();
  });

  test('a JSON connection that would have to carry such bytes is closed with 3506, others are not', async () => {
    const protobufClient = await connect();
    const subscription = protobufClient.newSubscription('open:mixed');
    const got = new Promise((resolve) => subscription.once('publication', ({ data }) => resolve(data)));
    subscription.subscribe();
    await subscription.ready(5_000);
    const json = await RawClient.connected(server.url);
    json.send({ id: 2, subscribe: { channel: 'open:mixed' } });
    await json.next();
    await publishBytes('open:mixed', Buffer.from([0xff]));
    assert.deepEqual(await json.closed(), { code: 3506, reason: 'inappropriate protocol' });
    assert.deepEqual(Buffer.from((await got) as Uint8Array), Buffer.from([0xff]));
    protobufClient.disconnect();
  });

  test('Protobuf is chosen by subprotocol or by query, and answers come in binary frames', async () => {
    const connectCommand = root.lookupType('Command');
    const ways: [query: string, protocols: string[]][] = [
      ['', ['centrifuge-protobuf']],
      ['?format=protobuf', []],
      ['?cf_protocol=protobuf', []],
    ];
    for (const [query, protocols] of ways) {
      const socket = new WebSocket(`${server.url}${query}`, protocols);
      await once(socket, 'open');
      const command = { id: 7, connect: { token: await token({ sub: '42' }) } };
      socket.send(connectCommand.encodeDelimited(connectCommand.fromObject(command)).finish());
      const [data, isBinary] = await once(socket, 'message');
      assert.equal(isBinary, true);
      const reply = root.lookupType('Reply').decodeDelimited(data).toJSON();
      assert.deepEqual([reply.id, reply.connect.version], [7, '1.0.0 test']);
      socket.close();
    }
    const json = new WebSocket(server.url, ['centrifuge-json']);
    await once(json, 'open');
    assert.equal(json.protocol, 'centrifuge-json');
    json.send('{"id":1,"connect":{"token":"x"}}');
    assert.equal((await once(json, 'close'))[0], 3500);
  });

  test('what is not Protobuf closes with 3501', async () => {
    for (const frame of [
      Buffer.alloc(0),
      Buffer.from('{"id":1}'),
      Buffer.from([5, 8]),
      Buffer.from([0x80]),
    ]) {
      const socket = new WebSocket(server.url, ['centrifuge-protobuf']);
      await once(socket, 'open');
      socket.send(frame);
      assert.equal((await once(socket, 'close'))[0], 3501);
    }
  });
});
