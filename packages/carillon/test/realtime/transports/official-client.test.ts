import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Centrifuge, type TransportName } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { WebSocket } from 'ws';
import { disconnect } from '../../../src/realtime/codes.ts';
import { type RealtimeServer, startRealtime, token } from '../../support/realtime.ts';

const MATRIX: readonly [TransportName, 'json' | 'protobuf'][] = [
  ['websocket', 'json'],
  ['websocket', 'protobuf'],
  ['http_stream', 'json'],
  ['http_stream', 'protobuf'],
  ['sse', 'json'],
];
const ON = { enabled: true };

suite('the official client on every transport', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime({
      client: { ping_interval: '400ms', pong_timeout: '300ms' },
      http_stream: ON,
      sse: ON,
    });
  });
  after(() => server.close());

  for (const [transport, encoding] of MATRIX) {
    const read = (data: unknown) =>
      encoding === 'json' ? data : JSON.parse(new TextDecoder().decode(data as Uint8Array));
    const write = (data: unknown) =>
      encoding === 'json' ? data : new TextEncoder().encode(JSON.stringify(data));

    async function connect(user: string): Promise<Centrifuge> {
      const Client = encoding === 'json' ? Centrifuge : ProtobufCentrifuge;
      const base = transport === 'websocket' ? server.origin.replace('http', 'ws') : server.origin;
      const client = new Client([{ transport, endpoint: `${base}/connection/${transport}` }], {
        websocket: WebSocket,
        fetch,
        readableStream: ReadableStream,
        eventsource: EventSource,
        emulationEndpoint: `${server.origin}/emulation`,
        token: await token({ sub: user }),
        minReconnectDelay: 10,
        maxReconnectDelay: 50,
      });
      client.connect();
      await client.ready(10_000);
      return client as Centrifuge;
    }

    test(`${transport}, ${encoding}: publications, presence, joins, and errors`, async () => {
      const client = await connect('42');
      const channel = `open:${transport}-${encoding}`;
      const subscription = client.newSubscription(channel);
      const joined = new Promise((resolve) =>
        subscription.on('join', ({ info }) => info.user === '43' && resolve(info.user)),
      );
      const said = new Promise((resolve) =>
        subscription.once('publication', ({ data, info }) => resolve([read(data), info?.user])),
      );
      subscription.subscribe();
      await subscription.ready(10_000);
      const other = await connect('43');
      const second = other.newSubscription(channel);
      second.subscribe();
      await second.ready(10_000);
      assert.equal(await joined, '43');
      await second.publish(write({ hi: 'ü', text: 'a\nb' }));
      assert.deepEqual(await said, [{ hi: 'ü', text: 'a\nb' }, '43']);
      assert.deepEqual(await subscription.presenceStats(), { numClients: 2, numUsers: 2 });
      await assert.rejects(subscription.history({ limit: 1 }), { code: 108 });
      await assert.rejects(client.rpc('x', write({})), { code: 108 });
      const left = new Promise((resolve) => subscription.once('leave', ({ info }) => resolve(info.user)));
      other.disconnect();
      assert.equal(await left, '43', 'the server notices that a client is gone');
      client.disconnect();
    });

    test(`${transport}, ${encoding}: a lost connection comes back to what it missed`, async () => {
      const client = await connect('42');
      const channel = `news:${transport}-${encoding}`;
      const subscription = client.newSubscription(channel);
      const seen: number[] = [];
      let complete = () => {};
      const all = new Promise<void>((resolve) => {
        complete = resolve;
      });
      subscription.on('publication', ({ data }) => {
        seen.push((read(data) as { n: number }).n);
        if (seen.at(-1) === 51) complete();
      });
      subscription.subscribe();
      await subscription.ready(10_000);
      await server.publish(channel, { n: 0 });
      const back = new Promise<{ recovered: boolean }>((resolve) => subscription.once('subscribed', resolve));
      server.cutConnections();
      for (let n = 1; n <= 50; n++) await server.publish(channel, { n });
      assert.equal((await back).recovered, true);
      await server.publish(channel, { n: 51 });
      await all;
      assert.deepEqual(
        seen,
        Array.from({ length: 52 }, (_, n) => n),
      );
      client.disconnect();
    });

    test(`${transport}, ${encoding}: pings are answered, and a server's goodbye is understood`, async () => {
      const user = `leaver-${transport}-${encoding}`;
      const client = await connect(user);
      const [session] = server.realtime.hub.sessionsOf(user);
      assert.ok(session);
      // The connection outlives several pings, which it would not if one remained unanswered.
      const ping = session.ping.bind(session);
      let pings = 0;
      await new Promise<void>((resolve) => {
        session.ping = (pongDueAt) => {
          pings += 1;
          if (pings === 3) resolve();
          else ping(pongDueAt);
        };
      });
      assert.equal(session.state, 'connected');
      const gone = new Promise((resolve) =>
        client.once('disconnected', ({ code, reason }) => resolve([code, reason])),
      );
      session.disconnect(disconnect('forceDisconnect'));
      assert.deepEqual(await gone, [3503, 'force disconnect']);
    });
  }
});
