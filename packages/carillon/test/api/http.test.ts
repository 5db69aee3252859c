import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { API_KEY, startServer, type TestServer } from '../support/server.ts';

const CHANNELS = {
  namespaces: [
    { name: 'news', history_size: 10, history_ttl: '60s', presence: true },
    { name: 'plain' },
    { name: 'objects', publication_data_format: 'json_object' },
  ],
};

suite('the server API over HTTP', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      channel: CHANNELS,
      http_api: { key: API_KEY, max_body_size: 4_096 },
      health: { enabled: true },
      prometheus: { enabled: true },
    });
  });
  after(() => server.close());
  const fetchPath = (path: string, init?: RequestInit) => fetch(server.carillon.url + path, init);

  test('checks the method first, then the key, then the body', async () => {
    const get = await fetchPath('/api/publish');
    assert.deepEqual([get.status, await get.text()], [405, '']);
    const noKey = await server.post('publish', 'not json', {});
    assert.deepEqual([noKey.status, noKey.text], [401, '']);
    const notJson = await server.post('publish', 'not json');
    assert.equal(notJson.status, 400);
    assert.match(notJson.text, /^Bad Request: body is not valid JSON/);
    assert.equal((await server.post('publish', '')).status, 400);
  });

  test('takes the key in each place that Centrifugo does, and no other', async () => {
    const status = async (headers: Record<string, string>, query = '') =>
      (await fetchPath(`/api/info${query}`, { method: 'POST', headers, body: '{}' })).status;
    assert.equal(await status({ 'x-api-key': API_KEY }), 200);
    assert.equal(
      await status({ authorization: `ApiKey ${API_KEY}` }),
      401,
      'the key has a space: exactly two parts are allowed',
    );
    assert.equal(await status({}, `?api_key=${encodeURIComponent(API_KEY)}`), 200);
    assert.equal(await status({ 'x-api-key': 'wrong' }, `?api_key=${encodeURIComponent(API_KEY)}`), 200);
    assert.equal(await status({ 'x-api-key': 'wrong' }), 401);
    assert.equal(await status({ authorization: 'Bearer x' }), 401);
    const own = await startServer({ http_api: { key: 'plain' } });
    const ask = (headers: Record<string, string>) => own.post('info', {}, headers);
    assert.equal((await ask({ authorization: 'apikey plain' })).status, 200);
    assert.equal((await ask({ authorization: 'APIKEY plain' })).status, 200);
    assert.equal((await ask({ authorization: 'apikey plain', 'x-api-key': 'wrong' })).status, 401);
    await own.close();
  });

  test('knows no unknown method and no trailing slash', async () => {
    assert.equal((await server.post('nope', {})).status, 404);
    assert.equal((await server.post('publish/', {})).status, 404);
    assert.equal((await fetchPath('/')).status, 404);
  });

  test('a wrong type is 400 with the path and what came', async () => {
    const cases: [string, unknown, RegExp][] = [
      ['publish', { channel: 7 }, /^Bad Request: channel: must be string, got a number$/],
      [
        'broadcast',
        { channels: ['a', 1], data: 1 },
        /^Bad Request: channels\[1\]: must be string, got a number$/,
      ],
      [
        'history',
        { channel: 'news:a', since: { offset: 'x' } },
        /^Bad Request: since\.offset: must be integer, got a string$/,
      ],
      ['publish', [1], /^Bad Request: request: must be object, got an array$/],
    ];
    for (const [method, body, words] of cases) {
      const { status, text } = await server.post(method, body);
      assert.equal(status, 400);
      assert.match(text, words);
    }
  });

  test('null stands for an absent member, but is data where data are', async () => {
    assert.deepEqual(
      await server.call('publish', { channel: 'plain:a', data: null, tags: null, idempotency_key: null }),
      { result: {} },
    );
    assert.equal((await server.post('info', 'null')).status, 200);
  });

  test('a body over the limit is 413 with the limit', async () => {
    const { status, text } = await server.post('publish', { channel: 'plain:a', data: 'x'.repeat(5_000) });
    assert.deepEqual([status, text], [413, 'Body too large: at most 4096 bytes are allowed']);
  });

  test('an error is 200 with its code, and in transport mode its own status and bare', async () => {
    const { error } = (await server.call('publish', { channel: 'nope:a', data: 1 })) as {
      error: { code: number; message: string };
    };
    assert.equal(error.code, 102);
    assert.match(error.message, /^unknown channel: .*"nope:a"/);
    const transport = { 'x-api-key': API_KEY, 'x-centrifugo-error-mode': 'transport' };
    for (const [method, body, status, code] of [
      ['publish', {}, 400, 107],
      ['publish', { channel: 'nope:a', data: 1 }, 404, 102],
      ['history', { channel: 'plain:a' }, 400, 108],
      ['rpc', { method: 'x' }, 404, 104],
      ['history', { channel: 'news:a', limit: 1, since: { offset: 1, epoch: 'zzz' } }, 416, 112],
      ['device_list', {}, 400, 108],
    ] as const) {
      const answer = await server.post(method, body, transport);
      assert.deepEqual(
        [answer.status, JSON.parse(answer.text).code],
        [status, code],
        `${method} ${answer.text}`,
      );
      assert.match(answer.type, /^application\/json/);
    }
  });

  test('publish gives offset and epoch with history, and nothing without', async () => {
    assert.deepEqual(await server.call('publish', { channel: 'plain:a', data: {} }), { result: {} });
    const first = (await server.call('publish', { channel: 'news:pub', data: {} })) as {
      result: { offset: number; epoch: string };
    };
    assert.equal(first.result.offset, 1);
    assert.match(first.result.epoch, /^[A-Za-z]{8}$/);
    assert.deepEqual(await server.call('publish', { channel: 'news:pub', data: {}, skip_history: true }), {
      result: {},
    });
  });

  test('a repeated idempotency key gives the same answer and publishes nothing, per channel', async () => {
    const publish = (channel: string) => server.call('publish', { channel, data: 1, idempotency_key: 'k' });
    const first = await publish('news:idem');
    assert.deepEqual(await publish('news:idem'), first);
    assert.equal(((await publish('news:idem2')) as { result: { offset: number } }).result.offset, 1);
    const { result } = (await server.call('history', { channel: 'news:idem' })) as {
      result: { offset: number };
    };
    assert.equal(result.offset, 1);
  });

  test('an older version is dropped, another epoch of versions passes', async () => {
    const offset = async (version: number, version_epoch = '') =>
      (
        (await server.call('publish', { channel: 'news:ver', data: version, version, version_epoch })) as {
          result: { offset: number };
        }
      ).result.offset;
    assert.deepEqual(
      [await offset(5), await offset(4), await offset(5), await offset(6), await offset(1, 'new')],
      [1, 1, 1, 2, 3],
    );
  });

  test('data must be there, and fit the namespace', async () => {
    const code = async (request: object) =>
      ((await server.call('publish', request)) as { error?: { code: number } }).error?.code;
    assert.equal(await code({ channel: 'plain:a' }), 107);
    assert.equal(await code({ channel: 'objects:a', data: [1] }), 107);
    assert.equal(await code({ channel: 'objects:a', data: { a: 1 } }), undefined);
    assert.equal(
      await code({ channel: 'plain:a', b64data: Buffer.from('{"a":1}').toString('base64') }),
      undefined,
    );
    assert.equal(await code({ channel: 'plain:a', b64data: '%%%' }), 107);
  });

  test('broadcast answers each channel in order, errors included', async () => {
    const { result } = (await server.call('broadcast', {
      channels: ['plain:a', 'nope:b', '', 'news:c'],
      data: 1,
    })) as {
      result: { responses: { result?: { offset?: number }; error?: { code: number } }[] };
    };
    assert.deepEqual(
      result.responses.map(({ result: one, error }) => error?.code ?? one?.offset ?? 'ok'),
      ['ok', 102, 107, 1],
    );
    assert.equal(
      ((await server.call('broadcast', { channels: [], data: 1 })) as { error: { code: number } }).error.code,
      107,
    );
  });

  test('history pages forwards and backwards, and can be removed without losing the offset', async () => {
    for (let n = 1; n <= 12; n++) await server.call('publish', { channel: 'news:h', data: n });
    const history = async (request: object) => {
      const { result } = (await server.call('history', { channel: 'news:h', ...request })) as {
        result: { publications: { offset: number; data: number }[]; offset: number };
      };
      return { offsets: result.publications.map(({ offset }) => offset), top: result.offset };
    };
    assert.deepEqual(await history({}), { offsets: [], top: 12 });
    assert.deepEqual(
      (await history({ limit: -1 })).offsets,
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      'ten are kept',
    );
    assert.deepEqual((await history({ limit: 2, since: { offset: 5, epoch: '' } })).offsets, [6, 7]);
    assert.deepEqual((await history({ limit: 2, reverse: true })).offsets, [12, 11]);
    assert.deepEqual(
      (await history({ limit: 2, reverse: true, since: { offset: 9, epoch: '' } })).offsets,
      [8, 7],
    );
    await server.call('history_remove', { channel: 'news:h' });
    assert.deepEqual(await history({ limit: -1 }), { offsets: [], top: 12 });
  });

  test('a batch runs in order, keeps errors inside, and has no wrapper', async () => {
    const answer = await server.call('batch', {
      commands: [
        { publish: { channel: 'news:batch', data: 1 } },
        { publish: { channel: 'nope:x', data: 1 } },
        { history: { channel: 'news:batch', limit: 1 }, publish: { channel: 'news:batch', data: 2 } },
        {},
        null,
        { presence_stats: { channel: 'news:batch' } },
      ],
    });
    const replies = answer.replies as Record<string, { code?: number; offset?: number }>[];
    assert.deepEqual(
      replies.map(
        (reply) => Object.entries(reply).map(([name, value]) => [name, value.code ?? value.offset])[0],
      ),
      [
        ['publish', 1],
        ['error', 102],
        ['publish', 2],
        ['error', 104],
        ['error', 107],
        ['presence_stats', undefined],
      ],
    );
    const channels = Array.from({ length: 50 }, (_, n) => `news:parallel-${n}`);
    await server.call('batch', {
      commands: channels.flatMap((channel, n) =>
        Array.from({ length: n % 3 }, () => ({ publish: { channel, data: n } })),
      ),
    });
    const parallel = await server.call('batch', {
      parallel: true,
      commands: channels.map((channel) => ({ publish: { channel, data: 0 } })),
    });
    assert.deepEqual(
      (parallel.replies as { publish: { offset: number } }[]).map((reply) => reply.publish.offset),
      channels.map((_, n) => (n % 3) + 1),
    );
  });

  test('a wrong type in one command refuses a batch before anything of it has run', async () => {
    const commands = [
      { publish: { channel: 'news:typed', data: 1 } },
      { publish: { channel: ['news:typed'], data: 2 } },
    ];
    for (const parallel of [false, true]) {
      const answer = await server.post('batch', { commands, parallel });
      assert.equal(answer.status, 400);
      assert.match(answer.text, /^Bad Request: channel: must be string, got an array/);
    }
    const { result } = (await server.call('history', { channel: 'news:typed' })) as {
      result: { offset: number };
    };
    assert.equal(result.offset, 0);
  });

  test('health and metrics answer without a key, and metrics carry Centrifugo’s names', async () => {
    assert.deepEqual(await (await fetchPath('/health')).json(), { live: true, ready: true, problems: {} });
    const text = await (await fetchPath('/metrics')).text();
    for (const name of [
      'centrifugo_api_command_duration_seconds_histogram',
      'centrifugo_api_command_errors_total{protocol="http",method="publish",error="unmarshal"}',
      'centrifugo_api_command_errors_total{protocol="http",method="batch",error="unmarshal"}',
      'centrifugo_api_command_errors_total{protocol="http",method="publish",error="read_body"}',
      'centrifugo_node_num_clients',
    ]) {
      assert.ok(text.includes(name), name);
    }
  });

  test('info tells of the node', async () => {
    const { result } = (await server.call('info', {})) as { result: { nodes: Record<string, unknown>[] } };
    const [node] = result.nodes;
    assert.match(String(node?.version), /^\d+\.\d+\.\d+ Carillon$/);
    assert.deepEqual([node?.num_clients, node?.num_channels], [0, 0]);
  });
});

test('an empty key lets nobody in', async () => {
  const { createHttpApi } = await import('../../src/api/http.ts');
  const { Dispatcher } = await import('../../src/api/dispatch.ts');
  const { resolveConfig } = await import('../../src/config/load.ts');
  const { batchMethod } = await import('../../src/api/batch.ts');
  const { silent } = await import('../support/realtime.ts');
  const dispatcher = new Dispatcher([
    batchMethod(
      () => dispatcher,
      () => ({ error: { code: 100, message: '' } }),
    ),
  ]);
  const app = createHttpApi({
    config: resolveConfig({}).config,
    dispatcher,
    logger: silent,
    health: async () => ({ live: true, ready: true, problems: {} }),
  });
  const response = await app.inject({
    method: 'POST',
    url: '/api/batch',
    payload: '{}',
    headers: { 'x-api-key': '' },
  });
  assert.equal(response.statusCode, 401);
  await app.close();
});

test('with an internal port the API, health and metrics are there alone, or the API outside where that is wanted', async () => {
  for (const external of [false, true]) {
    const server = await startServer({
      http_server: { address: '127.0.0.1', port: 0, internal_port: '0' },
      http_api: { key: API_KEY, external },
      health: { enabled: true },
      prometheus: { enabled: true },
      http_stream: { enabled: true },
    });
    try {
      const { url, internalPort } = server.carillon;
      const inside = `http://127.0.0.1:${internalPort}`;
      assert.notEqual(url, inside);
      const status = async (address: string, init?: RequestInit) => (await fetch(address, init)).status;
      const call = { method: 'POST', headers: { 'x-api-key': API_KEY }, body: '{}' };
      for (const [at, isOutside] of [
        [url, true],
        [inside, false],
      ] as const) {
        assert.equal(await status(`${at}/health`), isOutside ? 404 : 200);
        assert.equal(await status(`${at}/metrics`), isOutside ? 404 : 200);
        assert.equal(await status(`${at}/api/info`, call), isOutside === external ? 200 : 404);
        const stream = `${at}/connection/http_stream`;
        assert.equal(await status(stream, { method: 'DELETE' }), isOutside ? 405 : 404);
      }
    } finally {
      await server.close();
    }
  }
});

test('http_api.error_mode has errors told by status, whatever a request says', async () => {
  const server = await startServer({ http_api: { key: API_KEY, error_mode: 'transport' } });
  try {
    for (const mode of ['', 'something']) {
      const headers = { 'x-api-key': API_KEY, 'x-centrifugo-error-mode': mode };
      const answer = await server.post('publish', { channel: 'nope:a', data: 1 }, headers);
      assert.equal(answer.status, 404);
      assert.equal(JSON.parse(answer.text).code, 102);
    }
  } finally {
    await server.close();
  }
});
