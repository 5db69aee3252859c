import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, suite, test } from 'node:test';
import { resolveConfig } from 'carillon';
import { Centrifuge } from 'centrifuge';
import { SignJWT } from 'jose';
import pg from 'pg';
import { CENTRIFUGO_PATH } from '../scripts/setup/centrifugo.ts';
import { type BothServers, startBoth, tutorialConfiguration } from './support/both-servers.ts';
import { withoutCentrifugo } from './support/centrifugo.ts';
import { type Call, PARITY_CALLS, PARITY_DIFFERENCES, PARITY_NAMESPACES } from './support/parity-calls.ts';
import { differencesOf, METRIC_DIFFERENCES, scrape } from './support/parity-metrics.ts';
import { missing } from './support/requires.ts';

const ROWS = 300;
const SETTLED_MS = 5_000;
const KEY = { 'X-API-Key': 'api_key' };

suite('Carillon in the place of Centrifugo, by the tutorial’s own configuration file', {
  skip: withoutCentrifugo || missing('postgresql'),
}, () => {
  let both: BothServers;
  before(async () => {
    both = await startBoth(PARITY_NAMESPACES);
  });
  after(() => both?.close());

  test('reads the whole of that file, Kafka included, and names what it leaves to Centrifugo', () => {
    const { config, warnings } = resolveConfig(tutorialConfiguration(both.dsn, { kafka: 'kafka:9092' }));
    assert.deepEqual(
      config.consumers.map(({ name, type, enabled }) => [name, type, enabled]),
      [
        ['postgresql', 'postgresql', true],
        ['kafka', 'kafka', true],
      ],
    );
    for (const warning of warnings) assert.match(warning, /is known to Centrifugo, but not supported here/);
  });

  test('reads the configuration with every option that Centrifugo writes, and knows each of them', () => {
    const text = execFileSync(CENTRIFUGO_PATH, ['defaultconfig', '--dry-run'], { encoding: 'utf8' });
    const { config, warnings } = resolveConfig(JSON.parse(text));
    for (const warning of warnings) assert.match(warning, /is known to Centrifugo, but not supported here/);
    assert.deepEqual(config.client.allowed_origins, []);
  });

  test('gives the same answers to the same calls, in both error modes, but for what is listed', async () => {
    const differing: object[] = [];
    const listed = new Set<object>();
    for (const call of PARITY_CALLS) {
      const [centrifugo, carillon] = [await ask(both.centrifugo, call), await ask(both.carillon, call)];
      const difference = PARITY_DIFFERENCES.find(
        ({ method, body }) => method === call.method && same(body, call.body) && call.verb === undefined,
      );
      if (difference && !call.headers) {
        listed.add(difference);
        assert.notDeepEqual(carillon, centrifugo, `no difference any more: ${difference.why}`);
        assert.deepEqual(short(centrifugo), difference.centrifugo, difference.why);
        assert.deepEqual(short(carillon), difference.carillon, difference.why);
      } else if (!difference && !same(carillon, centrifugo)) {
        differing.push({ call, centrifugo, carillon });
      }
    }
    assert.deepEqual(differing, []);
    assert.equal(listed.size, PARITY_DIFFERENCES.length, 'a listed difference is of no call');
  });

  test('treats a client the same: presence, channels, publications, subscriptions, refusals, farewell', async () => {
    const [centrifugo, carillon] = [await lifeOfAClient(both.centrifugo), await lifeOfAClient(both.carillon)];
    assert.deepEqual(carillon, centrifugo);
  });

  test('counts the same under the same names, but for what is listed', async () => {
    // A connection's end is counted when the other side has seen it, which nothing tells.
    const deadline = performance.now() + SETTLED_MS;
    let found: string[];
    do found = differencesOf(await scrape(both.centrifugo), await scrape(both.carillon));
    while (!same(found, METRIC_DIFFERENCES) && performance.now() < deadline);
    assert.deepEqual(found, METRIC_DIFFERENCES);
  });

  test('shares the outbox with a Centrifugo: each row comes out of one of the two, in order', async () => {
    const seen: { server: string; n: number }[] = [];
    let wake = () => {};
    const clients = await Promise.all(
      [both.centrifugo, both.carillon].map(async (server) => {
        const client = await connect(server, 'outbox');
        const subscription = client.newSubscription('personal:outbox', {
          getToken: () => token({ sub: 'outbox', channel: 'personal:outbox' }),
        });
        subscription.on('publication', ({ data }) => {
          seen.push({ server, n: data.n });
          wake();
        });
        subscription.subscribe();
        await subscription.ready(10_000);
        return client;
      }),
    );
    const database = new pg.Client({ connectionString: both.dsn });
    await database.connect();
    try {
      for (let n = 0; n < ROWS; n++)
        await database.query("INSERT INTO chat_outbox (method, payload) VALUES ('publish', $1)", [
          { channel: 'personal:outbox', data: { n } },
        ]);
      while (seen.length < ROWS)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      const count = () => database.query('SELECT count(*)::int AS left FROM chat_outbox');
      while ((await count()).rows[0].left > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      await database.end();
      for (const client of clients) client.disconnect();
    }
    const all = seen.map(({ n }) => n).sort((a, b) => a - b);
    assert.deepEqual(
      all,
      Array.from({ length: ROWS }, (_, n) => n),
    );
    for (const server of [both.centrifugo, both.carillon]) {
      const own = seen.filter((one) => one.server === server).map(({ n }) => n);
      assert.deepEqual(
        own,
        [...own].sort((a, b) => a - b),
      );
    }
  });
});

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

async function ask(url: string, { method, body, verb = 'POST', headers = KEY }: Call): Promise<Answer> {
  const response = await fetch(`${url}/api${method && '/'}${method}`, {
    method: verb,
    headers,
    ...(verb === 'POST' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
  const isJson = type === 'application/json';
  return { status: response.status, type, body: isJson ? comparable(JSON.parse(text)) : words(text) };
}

/** Members that differ from server to server, and Centrifugo's own gauges. */
const OWN = new Set(['epoch', 'uid', 'name', 'client', 'version', 'uptime', 'metrics', 'process']);

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !OWN.has(name))
      .map(([name, item]) => [name, name === 'message' ? words(String(item)) : comparable(item)]),
  );
}

/** Carillon says more than Centrifugo, behind a colon. */
function words(message: string): string | undefined {
  return message.split(': ')[0]?.trim();
}

function short({ status, body }: Answer): [number, number?] {
  const code = (body as { error?: { code?: number } }).error?.code;
  return code === undefined ? [status] : [status, code];
}

function same(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

function token(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode('secret'));
}

async function connect(server: string, user: string): Promise<Centrifuge> {
  const client = new Centrifuge(`${server.replace('http', 'ws')}/connection/websocket`, {
    websocket: WebSocket,
    token: await token({ sub: user, info: { role: 'guest' } }),
  });
  client.connect();
  await client.ready(10_000);
  return client;
}

/** What a client sees of a server, and what the server says of the client meanwhile. */
async function lifeOfAClient(server: string): Promise<object[]> {
  const story: object[] = [];
  const call = async (method: string, request: object) => {
    const { status, body } = await ask(server, { method, body: request });
    // By the client's id, which is the server's choice.
    const presence = (body as { result?: { presence?: object } }).result?.presence;
    story.push({ method, status, body: presence ? Object.values(presence) : body });
  };
  const client = await connect(server, 'visitor');
  const farewell = new Promise((resolve) => client.once('disconnected', resolve));
  const happenings: object[] = [];
  let wake = () => {};
  const note = (event: string) => (context: object) => {
    happenings.push({ event, ...(comparable(context) as object) });
    wake();
  };
  const until = async (event: string) => {
    while (!happenings.some((one) => (one as { event: string }).event === event))
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    story.push(...happenings.splice(0));
  };
  const lobby = client.newSubscription('lobby:1');
  lobby.on('publication', note('publication'));
  lobby.on('unsubscribed', note('unsubscribed'));
  client.on('subscribed', note('server-side subscribed'));
  client.on('publication', note('server-side publication'));
  client.on('unsubscribed', note('server-side unsubscribed'));
  lobby.subscribe();
  await lobby.ready(10_000);
  await call('presence', { channel: 'lobby:1' });
  await call('presence_stats', { channel: 'lobby:1' });
  await call('channels', {});
  for (const pattern of ['lobby:*', 'l?bby:[0-9]', 'lobby:[!0-9]', '{plain,lobby}:*', '!lobby:1', '(lobby:1'])
    await call('channels', { pattern });
  await call('publish', { channel: 'lobby:1', data: { hello: 1 }, tags: { kind: 'a' } });
  await until('publication');
  await call('subscribe', { user: 'visitor', channel: 'personal:visitor', data: { welcome: true } });
  await until('server-side subscribed');
  await call('subscribe', { user: 'visitor', channel: 'personal:visitor' });
  await until('server-side subscribed');
  await call('publish', { channel: 'personal:visitor', data: 'for you' });
  await until('server-side publication');
  await call('channels', {});
  await call('unsubscribe', { user: 'visitor', channel: 'personal:visitor' });
  await until('server-side unsubscribed');
  await call('unsubscribe', { user: 'visitor', channel: 'lobby:1' });
  await until('unsubscribed');
  for (const channel of ['plain:1', 'nope:1']) {
    const refused = client.newSubscription(channel);
    const error = new Promise<object>((resolve) => refused.once('unsubscribed', resolve));
    refused.subscribe();
    story.push({ channel, ...(comparable(await error) as object) });
  }
  await call('refresh', { user: 'visitor', expire_at: Math.floor(Date.now() / 1000) + 3_600 });
  await call('disconnect', { user: 'visitor', disconnect: { code: 4600, reason: 'enough' } });
  story.push((await farewell) as object);
  return story;
}
