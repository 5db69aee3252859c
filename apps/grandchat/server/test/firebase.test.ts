import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { memoryDatabase, type TestDatabase } from '../../../../packages/carillon/test/support/database.ts';
import { firebaseFromEnvironment } from '../src/index.ts';
import { type Bench, startBench } from './support/bench.ts';

const CONFIG = { apiKey: 'key', appId: '1:1234:web:abc', messagingSenderId: '1234', projectId: 'demo' };
const KEY = Buffer.concat([Buffer.of(4), randomBytes(64)]).toString('base64url');
const TOKEN = 'c1a2:APA91bF';
const DEVICE = { provider: 'fcm', platform: 'web', token: TOKEN };

suite('Firebase from the environment', () => {
  const folder = mkdtempSync(join(tmpdir(), 'firebase-'));
  after(() => rmSync(folder, { recursive: true }));
  const read = (config: string | undefined, key: string | undefined = KEY) =>
    firebaseFromEnvironment({
      GRANDCHAT_FIREBASE_CONFIG: config,
      GRANDCHAT_FIREBASE_VAPID_PUBLIC_KEY: key,
    });

  test('is JSON in the variable, or a file with it', () => {
    const expected = { config: CONFIG, vapidPublicKey: KEY };
    assert.deepEqual(read(` ${JSON.stringify(CONFIG)}\n`, `${KEY}\n`), expected);
    const file = join(folder, 'web-config.json');
    writeFileSync(file, JSON.stringify(CONFIG));
    assert.deepEqual(read(file), expected);
  });

  test('is none without the two variables, and says which one is missing', () => {
    assert.equal(firebaseFromEnvironment({}), undefined);
    assert.equal(read('', ''), undefined);
    assert.throws(() => read(''), /GRANDCHAT_FIREBASE_CONFIG is not set/);
    assert.throws(() => read(JSON.stringify(CONFIG), ''), /GRANDCHAT_FIREBASE_VAPID_PUBLIC_KEY is not set/);
  });

  test('gives browsers what they need of it, and nothing that it does not know', () => {
    const given = { ...CONFIG, authDomain: 'demo.firebaseapp.com', comment: 'for nobody’s eyes' };
    assert.deepEqual(read(JSON.stringify(given))?.config, { ...CONFIG, authDomain: 'demo.firebaseapp.com' });
  });

  const { appId: _, ...withoutAppId } = CONFIG;
  for (const [what, config, key, words] of [
    ['JavaScript', '{apiKey: "key"}', KEY, /not a JSON object.*quoted names/],
    ['a list', join(folder, 'list.json'), KEY, /not a JSON object/],
    ['no file', '/nowhere/config.json', KEY, /neither a JSON object nor a file that can be read \(ENOENT\)/],
    ['a member less', JSON.stringify(withoutAppId), KEY, /CONFIG: appId must be text/],
    [
      'a number',
      JSON.stringify({ ...CONFIG, messagingSenderId: 1234 }),
      KEY,
      /messagingSenderId must be text/,
    ],
    ['a service account', '{"private_key":"s3cret"}', KEY, /FCM_CREDENTIALS_FILE/],
    ['a private key', JSON.stringify(CONFIG), randomBytes(32).toString('base64url'), /65 bytes.*got 43/],
    ['a padded key', JSON.stringify(CONFIG), `${KEY}=`, /got 88/],
  ] as const) {
    test(`refuses ${what} in words, without the value`, () => {
      writeFileSync(join(folder, 'list.json'), '[]');
      assert.throws(
        () => read(config, key),
        (error: Error) => words.test(error.message) && !/s3cret|"key"/.test(error.message),
      );
    });
  }
});

suite('GrandChat with Firebase', () => {
  let database: TestDatabase;
  let bench: Bench;
  before(async () => {
    database = await memoryDatabase();
    bench = await startBench(database.db, {}, { firebase: { config: CONFIG, vapidPublicKey: KEY } });
  });
  after(async () => {
    await bench?.close();
    await database?.drop();
  });
  afterEach(() => {
    bench.carillon.answers.set('device_list', { items: [] });
    bench.carillon.answers.set('device_register', { id: 'fcm-1' });
  });

  test('login, me and settings give the configuration and Firebase’s key', async () => {
    const person = await bench.person('settings');
    const push_notifications = { enabled: true, vapid_public_key: KEY, firebase_config: CONFIG };
    const login = await person.post('/api/login/', { username: 'settings', password: 'password!' });
    assert.deepEqual(login.body.settings, { push_notifications });
    assert.deepEqual((await person.get('/api/me/')).body.settings, { push_notifications });
    assert.deepEqual((await person.get('/api/settings/')).body, { push_notifications });
  });

  test('pages may talk to Firebase, and to nobody else', async () => {
    const { headers } = await (await bench.browser()).get('/api/settings/');
    assert.match(
      headers.get('content-security-policy') ?? '',
      /default-src 'self'; connect-src 'self' https:\/\/firebaseinstallations\.googleapis\.com https:\/\/fcmregistrations\.googleapis\.com;/,
    );
  });

  test('a message goes to both roads with one payload; through Firebase as data, for the worker alone', async () => {
    const person = await bench.person('author');
    const { body: room } = await person.post('/api/rooms/', { name: 'Both roads' });
    await person.post(`/api/rooms/${room.id}/messages/`, { content: 'Hello' });
    const { notification } = (await bench.outbox('send_push_notification')).at(-1);
    const { data, webpush, ...rest } = notification.fcm.message;
    assert.deepEqual(JSON.parse(data.payload), notification.webpush.payload);
    assert.deepEqual(Object.keys(data), ['payload']);
    assert.deepEqual(webpush, { headers: { TTL: '86400', Urgency: 'high', Topic: `room-${room.id}` } });
    assert.deepEqual(rest, {}, 'a notification would be shown by the SDK, too');
  });

  for (const [name, sign, what] of [
    ['emoji', '🎉', 'four-byte characters'],
    ['quotes', '"', 'signs that JSON escapes'],
    ['slashes', '\\', 'signs that JSON escapes each time'],
  ] as const) {
    test(`the longest names and texts of ${what} still fit one message, with what FCM puts around it`, async () => {
      const person = await bench.person(name.padEnd(32, 'x'));
      const { body: room } = await person.post('/api/rooms/', { name: sign.repeat(100) });
      await person.post(`/api/rooms/${room.id}/messages/`, { content: sign.repeat(4_000) });
      const { fcm } = (await bench.outbox('send_push_notification')).at(-1).notification;
      const asBrowserGetsIt = JSON.stringify({
        from: '123456789012',
        fcmMessageId: crypto.randomUUID(),
        priority: 'normal',
        data: fcm.message.data,
      });
      assert.ok(Buffer.byteLength(asBrowserGetsIt) <= 3_993, `${Buffer.byteLength(asBrowserGetsIt)} bytes`);
    });
  }

  const register = async (name: string, known: object | undefined, device: object) => {
    const person = await bench.person(name);
    const own = (items: object[]) => items.map((item) => ({ user: String(person.id), ...item }));
    bench.carillon.answers.set('device_list', { items: own(known ? [known] : []) });
    const { status, body } = await person.post('/api/device/register/', { device });
    assert.equal(status, 200);
    const removals = (await bench.outbox('device_remove')).filter(
      ({ users }) => users[0] === String(person.id),
    );
    return { person, answer: body, registered: bench.carillon.of('device_register').at(-1), removals };
  };

  test('a browser registers with its token', async () => {
    const { person, answer, registered } = await register('first', undefined, DEVICE);
    assert.deepEqual(answer, { device_id: 'fcm-1' });
    assert.deepEqual(registered, { ...DEVICE, user: String(person.id) });
  });

  test('P3: a new token keeps the device', async () => {
    const { person, registered, removals } = await register(
      'rotated',
      { provider: 'fcm', token: 'an older one' },
      { ...DEVICE, device_id: 'fcm-7' },
    );
    assert.deepEqual(registered, { ...DEVICE, id: 'fcm-7', user: String(person.id) });
    assert.deepEqual(removals, []);
  });

  for (const [from, to, device] of [
    ['webpush', 'fcm', DEVICE],
    ['fcm', 'webpush', { ...DEVICE, provider: 'webpush', token: '{"endpoint":"https://push/1"}' }],
  ] as const) {
    test(`a browser that changes over from ${from} to ${to} becomes another device, and the old one goes`, async () => {
      const { registered, removals, person } = await register(
        `to-${to}`,
        { provider: from, token: 'before' },
        { ...device, device_id: `${from}-7` },
      );
      assert.deepEqual(registered, { ...device, user: String(person.id) });
      assert.deepEqual(removals, [{ ids: [`${from}-7`], users: [String(person.id)] }]);
    });
  }

  test('P5: neither a change of road nor a token takes another user’s device away', async () => {
    for (const known of [
      { provider: 'webpush', token: TOKEN, user: '999999' },
      { provider: 'fcm', token: 'not this one', user: '999999' },
    ]) {
      const { registered, removals } = await register(`thief-${known.provider}`, known, {
        ...DEVICE,
        device_id: `${known.provider}-9`,
      });
      assert.equal(registered?.id, undefined);
      assert.deepEqual(removals, []);
    }
    const { registered } = await register(
      'heir',
      { provider: 'fcm', token: TOKEN, user: '999999' },
      { ...DEVICE, device_id: 'fcm-9' },
    );
    assert.equal(registered?.id, 'fcm-9', 'P17: who has the very token may take the device along');
  });
});
