import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { SECRET, token } from '../packages/carillon/test/support/realtime.ts';
import { startServer, type TestServer } from '../packages/carillon/test/support/server.ts';
import { chromiumPath } from '../scripts/setup/system-packages.ts';
import { missing } from './support/requires.ts';

const DIST = join(dirname(createRequire(import.meta.url).resolve('centrifuge')), '../dist');
const PAGE = `<!doctype html><title>a page</title>
<script src="/centrifuge.js"></script><script>const json = Centrifuge;</script>
<script src="/centrifuge.protobuf.js"></script><script>const protobuf = Centrifuge;</script>`;

/** What the page does with the client: it says what it received, or why it could not. */
const TALK = `async ({ base, transport, encoding, jwt }) => {
  const url = transport === 'websocket' ? base.replace('http', 'ws') : base;
  const Client = encoding === 'json' ? json : protobuf;
  const client = new Client([{ transport, endpoint: url + '/connection/' + transport }], {
    token: jwt, emulationEndpoint: base + '/emulation', minReconnectDelay: 10, maxReconnectDelay: 50,
  });
  const subscription = client.newSubscription('page:' + transport + encoding);
  const received = new Promise((resolve) => subscription.on('publication', ({ data }) => resolve(data)));
  const failed = new Promise((resolve) => client.on('error', ({ error }) => resolve('error ' + error.code)));
  subscription.subscribe();
  client.connect();
  const outcome = await Promise.race([client.ready().then(() => 'ready'), failed]);
  if (outcome === 'ready') await subscription.publish(encoding === 'json' ? { hi: 'ü' } : new TextEncoder().encode('{"hi":"ü"}'));
  const data = outcome === 'ready' ? await received : outcome;
  client.disconnect();
  return data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data;
}`;

suite('a page in a stock Chromium', { skip: missing('chromium') }, () => {
  let server: TestServer;
  let site: Server;
  let browser: Browser;
  let page: Page;
  let stranger: Page;
  let jwt: string;
  before(async () => {
    server = await startServer({
      client: { token: { hmac_secret_key: SECRET }, allowed_origins: ['http://localhost:*'] },
      channel: {
        namespaces: [{ name: 'page', allow_subscribe_for_client: true, allow_publish_for_subscriber: true }],
      },
      http_stream: { enabled: true },
      sse: { enabled: true },
      uni_sse: { enabled: true },
    });
    jwt = await token({ sub: '42', channels: ['page:one-way'] });
    site = createServer(({ url = '/' }, response) => {
      const isScript = /^\/centrifuge(\.protobuf)?\.js$/.test(url);
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? readFileSync(join(DIST, url)) : PAGE);
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    const { port } = site.address() as AddressInfo;
    browser = await chromium.launch({
      executablePath: chromiumPath() as string,
      headless: true,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    page = await browser.newPage();
    await page.goto(`http://localhost:${port}/`);
    stranger = await browser.newPage();
    await stranger.goto(`http://127.0.0.1:${port}/`);
  });
  after(async () => {
    await browser?.close();
    site?.close();
    site?.closeAllConnections();
    await server?.close();
  });

  const talk = (on: Page, transport: string, encoding: string) =>
    on.evaluate(`(${TALK})(${JSON.stringify({ base: server.carillon.url, transport, encoding, jwt })})`);

  for (const [transport, encoding] of [
    ['websocket', 'json'],
    ['websocket', 'protobuf'],
    ['http_stream', 'json'],
    ['http_stream', 'protobuf'],
    ['sse', 'json'],
  ] as const) {
    test(`of an allowed origin talks over ${transport}, ${encoding}; one of another origin does not`, async () => {
      assert.deepEqual(await talk(page, transport, encoding), { hi: 'ü' });
      assert.match(String(await talk(stranger, transport, encoding)), /^error \d+$/);
    });
  }

  test('listens by a bare EventSource', async () => {
    const request = encodeURIComponent(JSON.stringify({ token: jwt }));
    const source = `${server.carillon.url}/connection/uni_sse?cf_connect=${request}`;
    const listening = page.evaluate(`new Promise((resolve) => {
      const messages = [];
      const source = new EventSource(${JSON.stringify(source)});
      source.onmessage = ({ data }) => {
        messages.push(JSON.parse(data));
        if (messages.length === 2) { source.close(); resolve(messages); }
      };
    })`) as Promise<[{ connect: { subs: object } }, object]>;
    const isThere = async () => {
      const { result } = (await server.call('channels', {})) as { result: { channels: object } };
      return 'page:one-way' in result.channels;
    };
    while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 10));
    await server.call('publish', { channel: 'page:one-way', data: 'line\nline' });
    const [connect, push] = await listening;
    assert.deepEqual(Object.keys(connect.connect.subs), ['page:one-way']);
    assert.deepEqual(push, { channel: 'page:one-way', pub: { data: 'line\nline' } });
  });
});
