import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { openDatabase } from 'carillon';
import { jwtVerify } from 'jose';
import {
  eachDatabase,
  memoryDatabase,
  type TestDatabase,
  withoutPostgres,
} from '../../../../packages/carillon/test/support/database.ts';
import { startTestPostgres } from '../../../../scripts/setup/test-postgres.ts';
import { Sessions } from '../src/accounts/sessions.ts';
import { CommandTable } from '../src/rooms/commands/command-table.ts';
import { PushCommands } from '../src/rooms/commands/push-commands.ts';
import { type Bench, Browser, startBench, TOKEN_SECRET } from './support/bench.ts';

const KEYS = { p256dh: 'x', auth: 'y' };
const DEVICE = {
  provider: 'webpush',
  platform: 'web',
  token: JSON.stringify({ endpoint: 'https://push/1', keys: KEYS }),
};

eachDatabase('accounts and devices', (open) => {
  let database: TestDatabase;
  let bench: Bench;
  before(async () => {
    database = await open();
    bench = await startBench(database.db);
  });
  after(async () => {
    await bench?.close();
    await database?.drop();
  });
  const sessions = async () =>
    (await database.db.query<{ n: number }>('SELECT count(*) AS n FROM chat_session'))[0]?.n;

  test('signing up gives an account, a session and the settings', async () => {
    const browser = await bench.browser();
    const { status, body, headers } = await browser.post('/api/signup/', {
      username: 'Ann_1',
      password: 'password!',
    });
    assert.equal(status, 201);
    assert.deepEqual(
      { ...body, id: 0 },
      {
        id: 0,
        username: 'Ann_1',
        settings: {
          push_notifications: { enabled: true, vapid_public_key: 'the public key', firebase_config: null },
        },
      },
    );
    const cookies = headers.getSetCookie();
    assert.equal(cookies.length, 2);
    for (const cookie of cookies) assert.match(cookie, /Path=\/; HttpOnly; Secure; SameSite=Strict/);
    assert.equal((await browser.get('/api/me/')).body.username, 'Ann_1');
  });

  test('names and passwords are checked, and names are unique without case', async () => {
    const browser = await bench.browser();
    const cases: [object, number, string][] = [
      [{}, 400, 'username'],
      [{ username: 'x', password: 'password!' }, 400, 'username'],
      [{ username: 'a b', password: 'password!' }, 400, 'username'],
      [{ username: 'x'.repeat(33), password: 'password!' }, 400, 'username'],
      [{ username: 'fine', password: 'short' }, 400, 'password'],
      [{ username: 'fine', password: 'x'.repeat(129) }, 400, 'password'],
      [{ username: 'fine', password: 12345678 }, 400, 'password'],
      [{ username: 'ANN_1', password: 'password!' }, 409, 'username'],
    ];
    for (const [body, status, field] of cases) {
      const answer = await browser.post('/api/signup/', body);
      assert.deepEqual([answer.status, answer.body.field], [status, field], JSON.stringify(body));
    }
  });

  test('B12: passwords are kept as scrypt hashes, sessions as hashes of their tokens', async () => {
    const person = await bench.person('hashed');
    const [user] = await database.db.query<{ password: string }>(
      'SELECT password FROM chat_user WHERE id = $1',
      [person.id],
    );
    assert.match(user?.password ?? '', /^scrypt\$[\w-]{22}\$[\w-]{43}$/);
    const rows = await database.db.query<{ token_hash: string }>('SELECT token_hash FROM chat_session');
    assert.ok(rows.every(({ token_hash }) => /^[0-9a-f]{64}$/.test(token_hash)));
    assert.ok(!rows.some(({ token_hash }) => token_hash === person.cookies.get('sessionid')));
  });

  test('logging in takes the right password only, and says which half is missing', async () => {
    await bench.person('login');
    const browser = await bench.browser();
    const login = async (body: object) => {
      const { status, body: answer } = await browser.post('/api/login/', body);
      return [status, answer.detail ?? answer.username];
    };
    assert.deepEqual(await login({ username: 'login' }), [400, 'provide username and password']);
    assert.deepEqual(await login({ username: 'login', password: 'wrong one' }), [400, 'invalid credentials']);
    assert.deepEqual(await login({ username: 'nobody', password: 'password!' }), [
      400,
      'invalid credentials',
    ]);
    assert.deepEqual(await login({ username: 'LOGIN', password: 'password!' }), [200, 'login']);
  });

  test('without the CSRF token nothing is done, and one from before the login is worth nothing after it', async () => {
    const person = await bench.person('csrf');
    const before = await sessions();
    for (const token of ['', 'wrong']) {
      const { status, body } = await person.post('/api/logout/', {}, { 'x-csrftoken': token });
      assert.deepEqual([status, body.code], [403, 'csrf']);
    }
    assert.equal(await sessions(), before);
    const browser = await bench.browser();
    const old = browser.csrf;
    await browser.post('/api/login/', { username: 'csrf', password: 'password!' });
    assert.notEqual(browser.csrf, old);
    assert.equal((await browser.post('/api/rooms/', { name: 'csrf' }, { 'x-csrftoken': old })).status, 403);
    const cookieless = new Browser(bench.origin);
    assert.equal(
      (await cookieless.post('/api/login/', { username: 'csrf', password: 'password!' })).status,
      403,
    );
  });

  test('signed out, views answer 403 and the token views 401', async () => {
    const browser = await bench.browser();
    for (const path of ['/api/me/', '/api/rooms/', '/api/search/', '/api/rooms/1/messages/']) {
      const { status, body } = await browser.get(path);
      assert.deepEqual([status, body.code], [403, 'signed_out'], path);
    }
    assert.equal((await browser.get('/api/token/connection/')).status, 401);
    assert.equal((await browser.get('/api/token/subscription/?channel=personal:1')).status, 401);
    assert.equal((await browser.get('/api/settings/')).status, 200, 'P14: settings need no login');
  });

  test('tokens are short-lived, for oneself and one’s own channel', async () => {
    const person = await bench.person('tokens');
    const key = new TextEncoder().encode(TOKEN_SECRET);
    const now = Date.now() / 1000;
    const connection = await jwtVerify((await person.get('/api/token/connection/')).body.token, key);
    assert.equal(connection.payload.sub, String(person.id));
    assert.ok(Math.abs((connection.payload.exp ?? 0) - now - 120) < 5);
    assert.equal(connection.payload.channel, undefined);
    const channel = `personal:${person.id}`;
    const subscription = await jwtVerify(
      (await person.get(`/api/token/subscription/?channel=${channel}`)).body.token,
      key,
    );
    assert.equal(subscription.payload.channel, channel);
    assert.ok(Math.abs((subscription.payload.exp ?? 0) - now - 300) < 5);
    for (const other of [`personal:${person.id + 1}`, '', 'news']) {
      assert.equal((await person.get(`/api/token/subscription/?channel=${other}`)).status, 403);
    }
  });

  test('P3, P4: device_id goes on as id and the time zone as timezone', async () => {
    const person = await bench.person('device');
    bench.carillon.answers.set('device_list', {
      items: [{ provider: 'webpush', user: String(person.id), token: 'x' }],
    });
    const { status, body } = await person.post('/api/device/register/', {
      device: {
        ...DEVICE,
        device_id: 'webpush-1',
        timezone: 'Europe/Nicosia',
        locale: 'de',
        meta: { user_agent: 'UA', extra: 'x' },
      },
    });
    assert.deepEqual([status, body], [200, { device_id: 'webpush-1' }]);
    assert.deepEqual(bench.carillon.of('device_register').at(-1), {
      ...DEVICE,
      id: 'webpush-1',
      user: String(person.id),
      timezone: 'Europe/Nicosia',
      locale: 'de',
      meta: { user_agent: 'UA' },
    });
  });

  test('P5: a browser can inject neither topics nor a user, nor take over the device of another', async () => {
    const person = await bench.person('thief');
    bench.carillon.answers.set('device_list', {
      items: [{ provider: 'webpush', user: '999999', token: 'another endpoint' }],
    });
    await person.post('/api/device/register/', {
      device: { ...DEVICE, device_id: 'webpush-9', topics: ['chat:messages:1'], user: '1', id: 'webpush-9' },
    });
    assert.deepEqual(bench.carillon.of('device_register').at(-1), { ...DEVICE, user: String(person.id) });
    bench.carillon.answers.set('device_list', {
      items: [{ provider: 'webpush', user: '999999', token: 'https://push/1' }],
    });
    await person.post('/api/device/register/', { device: { ...DEVICE, device_id: 'webpush-9' } });
    assert.equal(
      bench.carillon.of('device_register').at(-1)?.id,
      'webpush-9',
      'P17: who has the very token may take the device along',
    );
  });

  test('a bad device is 400 with the field, Carillon’s words included, and 503 when it is down', async () => {
    const person = await bench.person('baddevice');
    for (const device of [
      undefined,
      null,
      'x',
      [],
      { ...DEVICE, token: '' },
      { ...DEVICE, provider: 7 },
      { ...DEVICE, token: 'x'.repeat(5_000) },
    ]) {
      const { status, body } = await person.post('/api/device/register/', { device });
      assert.deepEqual(
        [status, /^device/.test(body.field)],
        [400, true],
        JSON.stringify(device)?.slice(0, 30),
      );
    }
    bench.carillon.answers.set(
      'device_register',
      new Error('bad request: token.keys.p256dh: is not a point of the curve P-256'),
    );
    const refused = await person.post('/api/device/register/', { device: DEVICE });
    assert.equal(refused.status, 400);
    assert.match(refused.body.detail, /p256dh/);
    bench.carillon.answers.set('device_register', 'down');
    assert.equal((await person.post('/api/device/register/', { device: DEVICE })).status, 503);
    bench.carillon.answers.set('device_register', { id: 'webpush-1' });
  });

  test('P11: rooms that were joined before notifications were on are bound at registration, and strays are unbound', async () => {
    const person = await bench.person('late');
    const other = await bench.person('other');
    const { body: mine } = await person.post('/api/rooms/', { name: 'late joiner' });
    const { body: foreign } = await other.post('/api/rooms/', { name: 'not mine' });
    await database.db.exec('DELETE FROM chat_outbox');
    bench.carillon.answers.set('user_topic_list', { items: [{ topic: `chat:messages:${foreign.id}` }] });
    await person.post('/api/device/register/', { device: DEVICE });
    const updates = await bench.outbox('user_topic_update');
    const of = (room: number) =>
      updates.filter(({ topics }) => topics[0] === `chat:messages:${room}`).map(({ user, op }) => [user, op]);
    assert.deepEqual(of(mine.id), [[String(person.id), 'add']]);
    assert.deepEqual(of(foreign.id), [[String(person.id), 'remove']]);
    bench.carillon.answers.set('user_topic_list', { items: [] });
  });

  test('P1: logging out without a device removes none', async () => {
    const person = await bench.person('p1');
    const before = bench.carillon.of('device_remove').length;
    for (const body of [{}, { device_id: '' }, { device_id: 7 }, { device_id: ['x'] }]) {
      await person.post('/api/login/', { username: 'p1', password: 'password!' });
      assert.equal((await person.post('/api/logout/', body)).status, 200);
    }
    assert.equal(bench.carillon.of('device_remove').length, before);
    assert.ok(!(await bench.outbox('device_remove')).some(({ users }) => users[0] === String(person.id)));
  });

  test('logging out removes this session’s device and no other, even if the browser lost its id', async () => {
    const person = await bench.person('out');
    await person.post('/api/device/register/', { device: DEVICE });
    const { status } = await person.post('/api/logout/', {});
    assert.equal(status, 200);
    const expected = { ids: ['webpush-1'], users: [String(person.id)] };
    assert.deepEqual(bench.carillon.of('device_remove').at(-1), expected);
    assert.deepEqual((await bench.outbox('device_remove')).at(-1), expected);
    assert.equal((await person.get('/api/me/')).status, 403);
  });

  test('B11: after logout the old cookie opens no token, no room and no event, also where a copy of it was kept', async () => {
    const person = await bench.person('b11');
    const copy = new Browser(bench.origin);
    for (const [name, value] of person.cookies) copy.cookies.set(name, value);
    assert.equal((await copy.get('/api/token/connection/')).status, 200);
    await person.post('/api/logout/', {});
    assert.equal((await copy.get('/api/token/connection/')).status, 401);
    assert.equal((await copy.get(`/api/token/subscription/?channel=personal:${person.id}`)).status, 401);
    assert.equal((await copy.get('/api/rooms/')).status, 403);
  });

  test('P13: logging out works while Carillon is down, and the outbox carries the removal', async () => {
    const person = await bench.person('p13');
    await person.post('/api/device/register/', { device: DEVICE });
    bench.carillon.answers.set('device_remove', 'down');
    const { status } = await person.post('/api/logout/', { device_id: 'webpush-1' });
    assert.equal(status, 200);
    assert.deepEqual((await bench.outbox('device_remove')).at(-1), {
      ids: ['webpush-1'],
      users: [String(person.id)],
    });
    bench.carillon.answers.delete('device_remove');
  });

  test('a session that is over opens nothing, and is forgotten', async () => {
    const person = await bench.person('over');
    await database.db.query(
      `UPDATE chat_session SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [person.id],
    );
    assert.equal((await person.get('/api/me/')).status, 403);
  });

  test('P17: a session that is over takes its device along, unless another one has it, too', async () => {
    const { db } = database;
    const [gone, back] = [await bench.person('gone'), await bench.person('back')];
    for (const person of [gone, back]) {
      bench.carillon.answers.set('device_register', { id: `webpush-of-${person.id}` });
      await person.post('/api/device/register/', { device: DEVICE });
      await db.query(`UPDATE chat_session SET expires_at = now() - interval '1 second' WHERE user_id = $1`, [
        person.id,
      ]);
    }
    await back.post('/api/login/', { username: 'back', password: 'password!' });
    await back.post('/api/device/register/', { device: DEVICE });
    bench.carillon.answers.set('device_register', { id: 'webpush-1' });
    const commands = new PushCommands(new CommandTable('chat_outbox', 1), { origin: '', firebase: false });
    await new Sessions(db).forgetExpired((tx, user, device) => commands.removeDevice(tx, user, device));
    const silenced = (await bench.outbox('device_remove')).filter(({ ids }) => /-of-/.test(ids[0]));
    assert.deepEqual(silenced, [{ ids: [`webpush-of-${gone.id}`], users: [String(gone.id)] }]);
  });

  test('bad input of every kind gets its status and words, and the server goes on', async () => {
    const person = await bench.person('badinput');
    const cases: [string, unknown, number, RegExp][] = [
      ['/api/rooms/', '{broken', 400, /not valid JSON/],
      ['/api/rooms/', '', 400, /the body is empty/],
      ['/api/rooms/', '[]', 400, /must be a JSON object/],
      ['/api/rooms/', '"text"', 400, /must be a JSON object/],
      ['/api/rooms/', { name: 'x'.repeat(70_000) }, 413, /at most 65536 bytes/],
      ['/api/%E0%A4%A/', {}, 400, /not a valid URL/],
      ['/api/nothing/', {}, 404, /nothing at \/api\/nothing\//],
      ['/api/rooms', {}, 404, /nothing at/],
      ['/api/device/register/', { device: { ...DEVICE, device_id: 7 } }, 400, /device\.device_id: must be/],
      [
        '/api/device/register/',
        { device: { ...DEVICE, meta: 'UA' } },
        400,
        /device\.meta: must be an object/,
      ],
    ];
    for (const [path, body, status, words] of cases) {
      const answer = await person.post(path, body);
      assert.equal(answer.status, status, path);
      assert.match(answer.body.detail, words);
    }
    const text = await person.post('/api/rooms/', 'name=x', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    assert.equal(text.status, 415);
    assert.equal((await person.get('/api/me/')).status, 200);
  });

  test('answers are not cached, sniffed or framed', async () => {
    const { headers } = await (await bench.browser()).get('/api/settings/');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'.*frame-ancestors 'none'/);
  });

  test('the WebSocket of a foreign page is refused, and without Carillon there is none', async () => {
    const upgrade = (origin: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = {
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          origin,
        };
        const req = request(`${bench.origin}/connection/websocket`, { headers });
        req.on('response', (response) => resolve(response.resume().statusCode));
        req.on('error', reject);
        req.end();
      });
    assert.equal(await upgrade('http://evil.example'), 403);
  });
});

test('B12: tries to log in and to sign up are limited, and the answer says how long', async () => {
  const database = await memoryDatabase();
  const bench = await startBench(database.db, { signupsPerAddress: 2, loginsPerUser: 3 });
  await bench.person('one');
  await bench.person('two');
  const browser = await bench.browser();
  const third = await browser.post('/api/signup/', { username: 'three', password: 'password!' });
  assert.equal(third.status, 429);
  assert.match(third.body.detail, /try again in \d+ s/);
  assert.ok(Number(third.headers.get('retry-after')) > 0);
  const tries = [];
  for (let n = 0; n < 4; n++)
    tries.push(
      (await browser.post('/api/login/', { username: n % 2 ? 'ONE' : 'one', password: 'wrong one' })).status,
    );
  assert.deepEqual(tries, [400, 400, 400, 429]);
  assert.equal(
    (await browser.post('/api/login/', { username: 'two', password: 'password!' })).status,
    200,
    'others are not locked out',
  );
  await bench.close();
  await database.drop();
});

test('requests of any kind are limited per browser, and pages are not', async () => {
  const database = await memoryDatabase();
  const bench = await startBench(database.db, { requestsPerMinute: 5 });
  const person = await bench.person('busy');
  const statuses = [];
  for (let n = 0; n < 6; n++) statuses.push((await person.get('/api/me/')).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
  assert.equal((await person.get('/nowhere')).status, 404);
  await bench.close();
  await database.drop();
});

test('while the database is away, what needs it is refused with 503 and in words, and works again when it is back', {
  skip: withoutPostgres,
}, async () => {
  const postgres = await startTestPostgres();
  const db = await openDatabase({ dsn: postgres.dsn });
  const bench = await startBench(db);
  try {
    const browser = await bench.person('patient');
    postgres.stop({ keep: true });
    const refused = await browser.get('/api/rooms/');
    assert.deepEqual(
      [refused.status, refused.body],
      [503, { detail: 'the database cannot be reached at the moment; try again shortly' }],
    );
    postgres.start();
    assert.equal((await browser.get('/api/rooms/')).status, 200);
  } finally {
    await bench.close();
    await db.close();
    postgres.stop();
  }
});
