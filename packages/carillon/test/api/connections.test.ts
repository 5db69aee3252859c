import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SECRET, token } from '../support/realtime.ts';
import { startServer } from '../support/server.ts';
import { StreamReader } from '../support/streams.ts';

suite('transports of the whole server', () => {
  test('streams, emulation and the server API share a port, and the server closes while streams are open', async () => {
    const server = await startServer({
      client: { token: { hmac_secret_key: SECRET }, subscribe_to_user_personal_channel: { enabled: true } },
      http_stream: { enabled: true },
      uni_sse: { enabled: true },
    });
    const { url } = server.carillon;
    const jwt = await token({ sub: '42' });
    const stream = await StreamReader.open(`${url}/connection/http_stream`, {
      body: JSON.stringify({ id: 1, connect: { token: jwt } }),
    });
    const events = await StreamReader.open(`${url}/connection/uni_sse`, {
      body: JSON.stringify({ token: jwt }),
    });
    const { connect } = (await stream.next()) as { connect: { session: string; node: string } };
    await events.next();
    const data = '{"id":2,"rpc":{"method":"x"}}';
    const emulation = { session: connect.session, node: connect.node, data };
    const sent = await fetch(`${url}/emulation`, { method: 'POST', body: JSON.stringify(emulation) });
    assert.equal(sent.status, 204);
    assert.equal((await stream.next()).id, 2);
    await server.call('publish', { channel: '#42', data: { n: 1 } });
    for (const [reader, push] of [
      [stream, ((await stream.next()) as { push: object }).push],
      [events, await events.next()],
    ] as const) {
      assert.deepEqual(push, { channel: '#42', pub: { data: { n: 1 } } });
      assert.equal(reader.response.statusCode, 200);
    }
    assert.equal((await fetch(`${url}/connection/sse`)).status, 404, 'what is not enabled is not there');
    await server.close();
    assert.deepEqual(await events.next(), { disconnect: { code: 3001, reason: 'shutdown' } });
    await Promise.all([stream.ended, events.ended]);
  });

  test('bytes published over HTTP reach the API’s readers as base64', async () => {
    const server = await startServer({
      channel: { without_namespace: { history_size: 5, history_ttl: '60s' } },
    });
    const b64data = Buffer.from([0, 255]).toString('base64');
    await server.call('publish', { channel: 'bytes', b64data });
    await server.call('publish', { channel: 'bytes', data: { n: 1 } });
    const { result } = (await server.call('history', { channel: 'bytes', limit: -1 })) as {
      result: { publications: object[] };
    };
    assert.deepEqual(result.publications, [
      { b64data, offset: 1 },
      { data: { n: 1 }, offset: 2 },
    ]);
    await server.close();
  });
});
