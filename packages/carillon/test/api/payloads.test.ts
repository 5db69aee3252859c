import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { parseExact } from '../../src/api/exact-json.ts';
import { RawClient, SECRET } from '../support/realtime.ts';
import { startServer, type TestServer } from '../support/server.ts';

const LONG = '12345678901234567890';
const base64 = (text: string) => Buffer.from(text).toString('base64');

suite('payloads of the server API', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      client: { token: { hmac_secret_key: SECRET } },
      channel: {
        namespaces: [
          { name: 'news', history_size: 10, history_ttl: '60s', allow_subscribe_for_client: true },
          {
            name: 'bytes',
            history_size: 10,
            history_ttl: '60s',
            publication_data_format: 'binary',
            allow_subscribe_for_client: true,
            allow_recovery: true,
            allowed_delta_types: ['fossil'],
          },
          { name: 'plain', presence: true },
        ],
      },
    });
  });
  after(() => server.close());
  const connected = () =>
    RawClient.connected(`${server.carillon.url.replace('http', 'ws')}/connection/websocket`);

  test('a number of any size comes out as it went in: alone, in a broadcast, in a batch', async () => {
    const data = `{"id":${LONG},"deep":[{"x":0.12345678901234567}],"small":1}`;
    const bodies: [method: string, body: string][] = [
      ['publish', `{"channel":"news:long","data":${data},"version":3}`],
      ['broadcast', `{"channels":["news:long"],"data":${data}}`],
      ['batch', `{"commands":[{"publish":{"channel":"news:long","data":${data}}}]}`],
    ];
    for (const [method, body] of bodies) assert.equal((await server.post(method, body)).status, 200);
    const { text } = await server.post('history', { channel: 'news:long', limit: -1 });
    assert.equal(text.split(`"data":${data}`).length - 1, 3, text);
  });

  test('numbers that are no payload are numbers, however long they are written', () => {
    assert.deepEqual(parseExact(`{"version":${LONG},"since":{"offset":1.0000000000000000}}`), {
      version: Number(LONG),
      since: { offset: 1 },
    });
    assert.deepEqual(parseExact(`{"commands":[{"publish":{"version":${LONG}}},null,1.0000000000000000]}`), {
      commands: [{ publish: { version: Number(LONG) } }, null, 1],
    });
  });

  test('bytes that are no JSON are published and read back as base64', async () => {
    const b64data = Buffer.from([0xff, 0, 1]).toString('base64');
    await server.call('publish', { channel: 'bytes:a', b64data });
    const { result } = (await server.call('history', { channel: 'bytes:a', limit: 1 })) as {
      result: { publications: object[] };
    };
    assert.deepEqual(result.publications, [{ b64data, offset: 1 }]);
  });

  test('nothing at all is published where bytes may be, and comes as a publication without data', async () => {
    const client = await connected();
    client.send({ id: 2, subscribe: { channel: 'bytes:nothing', delta: 'fossil', recoverable: true } });
    await client.next();
    const plain = await connected();
    plain.send({ id: 2, subscribe: { channel: 'bytes:nothing' } });
    await plain.next();
    await server.call('publish', { channel: 'bytes:nothing', data: 1, delta: true });
    await server.call('publish', { channel: 'bytes:nothing', delta: true });
    await server.call('broadcast', { channels: ['bytes:nothing'], data: null, delta: true });
    const three = async (from: RawClient) => {
      const pubs = [];
      while (pubs.length < 3) {
        const { push } = (await from.next()) as { push: { pub: { data?: unknown } } };
        pubs.push(push.pub.data);
      }
      return pubs;
    };
    assert.deepEqual(await three(plain), [1, undefined, null]);
    assert.deepEqual(await three(client), ['1', '', 'null']);
    const { result } = (await server.call('history', { channel: 'bytes:nothing', limit: 3 })) as {
      result: { publications: object[] };
    };
    assert.deepEqual(result.publications, [{ data: 1, offset: 1 }, { offset: 2 }, { data: null, offset: 3 }]);
    client.socket.close();
    plain.socket.close();
  });

  test('subscribe carries info and data, in base64 too, and overrides the namespace for one subscription', async () => {
    const client = await connected();
    const subscribe = (request: object) =>
      server.call('subscribe', { user: '42', expire_at: 0, ...request }) as Promise<{ error?: object }>;
    await subscribe({ channel: 'plain:a', info: { i: 1 }, data: { d: 1 } });
    assert.deepEqual(await client.next(), { push: { channel: 'plain:a', subscribe: { data: { d: 1 } } } });
    await subscribe({
      channel: 'plain:b',
      info: 'not this',
      b64info: base64('{"i":2}'),
      b64data: base64('[2]'),
    });
    assert.deepEqual(await client.next(), { push: { channel: 'plain:b', subscribe: { data: [2] } } });
    const infos = async (channel: string) => {
      const { result } = (await server.call('presence', { channel })) as {
        result: { presence: Record<string, { chan_info?: unknown }> };
      };
      return Object.values(result.presence).map(({ chan_info }) => chan_info);
    };
    assert.deepEqual(await infos('plain:a'), [{ i: 1 }]);
    assert.deepEqual(await infos('plain:b'), [{ i: 2 }]);
    await subscribe({ channel: 'plain:c', override: { presence: { value: false } } });
    await client.next();
    assert.deepEqual(await infos('plain:c'), []);
    await subscribe({ channel: 'news:a', override: { force_recovery: { value: true } } });
    const { push } = (await client.next()) as { push: { subscribe: { recoverable?: boolean } } };
    assert.equal(push.subscribe.recoverable, true);
    assert.equal(
      ((await subscribe({ channel: 'plain:d', b64info: '%' })).error as { code: number }).code,
      107,
    );
    const wrong = await server.post('subscribe', { channel: 'plain:e', override: { presence: true } });
    assert.deepEqual([wrong.status, /override\.presence/.test(wrong.text)], [400, true]);
    client.socket.close();
  });
});
