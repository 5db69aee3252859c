import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { API_KEY, startServer, type TestServer } from '../support/server.ts';

suite('the single address of Centrifugo’s early API', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      prometheus: { enabled: true },
      channel: { namespaces: [{ name: 'news', history_size: 10, history_ttl: '60s' }] },
    });
  });
  after(() => server.close());

  async function post(body: string, headers: Record<string, string> = { 'x-api-key': API_KEY }) {
    const response = await fetch(`${server.carillon.url}/api`, { method: 'POST', headers, body });
    return { status: response.status, text: await response.text() };
  }

  test('runs commands in order, and answers each on a line of its own', async () => {
    const { status, text } = await post(
      [
        '{"id":1,"method":"publish","params":{"channel":"news:a","data":{"id":12345678901234567890}}}',
        '{"id":2,"method":"PUBLISH","params":{"channel":"nope:a","data":1}}',
        '',
        '{"method":"presence_stats","params":{"channel":"news:a"}}',
        '{"id":4,"method":"history","params":{"channel":"news:a","limit":1}}',
        '{"id":5,"method":"batch","params":{}}',
      ].join('\n'),
    );
    assert.equal(status, 200);
    const lines = text.split('\n');
    assert.deepEqual(
      lines.map((line) => {
        const { id, result, error } = JSON.parse(line);
        return [id, error?.code ?? result.offset];
      }),
      [
        [1, 1],
        [2, 102],
        [undefined, 108],
        [4, 1],
        [5, 104],
      ],
    );
    assert.ok(lines[3]?.includes('{"id":12345678901234567890}'));
    const metrics = await (await fetch(`${server.carillon.url}/metrics`)).text();
    for (const line of [
      'command_duration_seconds_count{protocol="http",method="publish"} 2',
      'command_errors_total{protocol="http",method="publish",error="102"} 1',
      'command_errors_total{protocol="http",method="unknown",error="104"} 1',
    ])
      assert.ok(metrics.includes(`centrifugo_api_${line}`), line);
  });

  test('keeps to one line for a reply whose payload has several', async () => {
    await server.post('publish', '{"channel":"news:lines","data":{\n"a":\n1}}');
    const { text } = await post('{"method":"history","params":{"channel":"news:lines","limit":1}}');
    assert.deepEqual(JSON.parse(text).result.publications[0].data, { a: 1 });
    assert.ok(!text.includes('\n'));
  });

  test('refuses what is no such body before anything runs, and who has no key', async () => {
    for (const body of ['', 'x', '[1', '{"method":7}', '{"id":"a","method":"info"}']) {
      assert.equal((await post(body)).status, 400, body);
    }
    assert.equal((await post('{"method":"info"}\n'.repeat(1_001))).status, 400);
    const line = '{"method":"publish","params":{"channel":"news:none","data":1}}';
    assert.equal((await post(`${line}\nx`)).status, 400);
    assert.equal(
      JSON.parse((await post('{"method":"history","params":{"channel":"news:none"}}')).text).result.offset,
      0,
    );
    assert.deepEqual(await post(line, {}), { status: 401, text: '' });
    assert.equal((await fetch(`${server.carillon.url}/api`)).status, 405);
  });
});
