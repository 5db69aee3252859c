import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';
import { FakeFirefox, send, vapid } from './support.ts';

let emulator: PushEmulator;
let clock: number;

beforeEach(async () => {
  clock = Date.now();
  emulator = await startPushEmulator({ now: () => clock });
});
afterEach(() => emulator.close());

suite("the browser's socket", () => {
  test('a hello without uaid gets a new one of 32 hex digits, and webpush', async () => {
    const firefox = await FakeFirefox.connect(emulator);
    const { uaid, ...rest } = await firefox.ask({ messageType: 'hello', broadcasts: {}, use_webpush: true });
    assert.match(String(uaid), /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, { messageType: 'hello', status: 200, use_webpush: true, broadcasts: {} });
  });

  test('a browser with subscriptions keeps its uaid, an unknown one is given a new one', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    await firefox.register(vapid.publicKey);
    await firefox.leave();
    assert.equal((await FakeFirefox.hello(emulator, uaid)).uaid, uaid);
    assert.notEqual((await FakeFirefox.hello(emulator, 'f'.repeat(32))).uaid, 'f'.repeat(32));
  });

  test('a subscription has an endpoint of its own, for its key', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const one = await firefox.register(`${vapid.publicKey}=`);
    const two = await firefox.register(vapid.publicKey);
    assert.match(one.endpoint, new RegExp(`^${emulator.url}/wpush/v2/[\\w-]{20,}$`));
    assert.notEqual(one.endpoint, two.endpoint);
    assert.deepEqual(
      emulator.subscriptions().map(({ endpoint, key, isOnline }) => ({ endpoint, key, isOnline })),
      [one, two].map(({ endpoint }) => ({ endpoint, key: vapid.publicKey, isOnline: true })),
    );
  });

  test('a key that is no point of the curve is refused', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { status, endpoint } = await firefox.register('AAAA');
    assert.deepEqual([status, endpoint], [400, '']);
  });

  test('a ping is answered by a ping', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    assert.deepEqual(await firefox.ask({}), {});
  });

  for (const [what, frame] of [
    ['no JSON', 'hello'],
    ['a message before hello', '{"messageType":"register","channelID":"x"}'],
    ['a hello without webpush', '{"messageType":"hello"}'],
  ]) {
    test(`${what} ends the connection`, async () => {
      const firefox = await FakeFirefox.connect(emulator);
      const closed = once(firefox.socket, 'close');
      firefox.send(frame!);
      await closed;
    });
  }
});

suite('delivery', () => {
  test('a push comes as a notification with its body, and is acknowledged', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint, channelID } = await firefox.register(vapid.publicKey);
    const response = await send(endpoint, { urgency: 'high' });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('ttl'), '60');
    const notification = await firefox.next();
    const { version, data, ...rest } = notification;
    assert.deepEqual(rest, { messageType: 'notification', channelID, headers: { encoding: 'aes128gcm' } });
    assert.equal(response.headers.get('location'), `${emulator.url}/m/${version}`);

    clock += 5;
    firefox.acknowledge(notification);
    const record = await emulator.waitFor(({ state }) => state === 'acknowledged');
    assert.equal(record.body.toString('base64url'), data);
    assert.partialDeepStrictEqual(record, {
      status: 201,
      endpoint,
      receivedAt: clock - 5,
      sentAt: [clock - 5],
      acknowledgedAt: clock,
      acknowledgeCode: 100,
      headers: { ttl: 60, urgency: 'high', encoding: 'aes128gcm' },
      vapid: { aud: emulator.url, sub: 'mailto:ops@example.com' },
    });
  });

  test('a push without a body has neither data nor headers', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await send(endpoint, { payload: null });
    assert.deepEqual(Object.keys(await firefox.next()), ['messageType', 'channelID', 'version']);
  });

  test('what a worker rejects is recorded', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await send(endpoint);
    const { version } = await firefox.next();
    firefox.send({ messageType: 'nack', version, code: 302 });
    await emulator.waitFor(({ nackCode }) => nackCode === 302);
  });

  test('what is not acknowledged comes again after each hello, what is acknowledged does not', async () => {
    const first = await FakeFirefox.hello(emulator);
    const { endpoint } = await first.firefox.register(vapid.publicKey);
    await send(endpoint);
    await send(endpoint);
    const one = await first.firefox.next();
    const two = await first.firefox.next();
    first.firefox.acknowledge(one);
    await first.firefox.drain();
    await first.firefox.leave();

    const second = await FakeFirefox.hello(emulator, first.uaid);
    assert.deepEqual(await second.firefox.drain(), [two]);
    second.firefox.acknowledge(two);
    await second.firefox.drain();
    await second.firefox.leave();
    const third = await FakeFirefox.hello(emulator, first.uaid);
    assert.deepEqual(await third.firefox.drain(), []);
  });

  test('an acknowledgement counts after the messages were forgotten', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await send(endpoint);
    const notification = await firefox.next();
    emulator.forgetMessages();
    firefox.acknowledge(notification);
    await firefox.drain();
    await firefox.leave();
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.deepEqual(await back.firefox.drain(), []);
  });

  test('a push to a browser that is away waits for it', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await away(firefox);
    assert.equal((await send(endpoint)).status, 201);
    assert.equal(emulator.messages()[0]?.state, 'waiting');
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.equal((await back.firefox.drain()).length, 1);
  });

  test('a push is dropped when its TTL is over before the browser is back', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await away(firefox);
    await send(endpoint, { TTL: 60 });
    await send(endpoint, { TTL: 61 });
    clock += 60_000;
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.equal((await back.firefox.drain()).length, 1);
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['expired', 'sent'],
    );
  });

  test('TTL 0 is now or never', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await send(endpoint, { TTL: 0 });
    assert.equal((await firefox.next()).messageType, 'notification');
    await away(firefox);
    assert.equal((await send(endpoint, { TTL: 0 })).status, 201);
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.deepEqual(await back.firefox.drain(), []);
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['expired', 'expired'],
    );
  });

  test('a push replaces the waiting one of the same Topic, of its subscription alone', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const one = await firefox.register(vapid.publicKey);
    const two = await firefox.register(vapid.publicKey);
    await away(firefox);
    await send(one.endpoint, { topic: 'room-1' });
    await send(one.endpoint, { topic: 'room-2' });
    await send(two.endpoint, { topic: 'room-1' });
    await send(one.endpoint, { topic: 'room-1' });
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['replaced', 'waiting', 'waiting', 'waiting'],
    );
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.equal((await back.firefox.drain()).length, 3);
  });

  test('a sender can take a waiting push back by its Location, once', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    await away(firefox);
    const location = (await send(endpoint)).headers.get('location')!;
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 204);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 404);
    const back = await FakeFirefox.hello(emulator, uaid);
    assert.deepEqual(await back.firefox.drain(), []);
  });

  test('after unregister the endpoint is gone, and what waited too', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint, channelID } = await firefox.register(vapid.publicKey);
    await send(endpoint);
    await firefox.next();
    const answer = await firefox.ask({ messageType: 'unregister', channelID, code: 202 });
    assert.deepEqual(answer, { messageType: 'unregister', channelID, status: 200 });
    const response = await send(endpoint);
    assert.equal(response.status, 410);
    assert.equal(response.headers.get('cache-control'), 'max-age=86400');
    assert.partialDeepStrictEqual(await response.json(), { code: 410, errno: 106, error: 'Gone' });
    assert.equal(emulator.messages()[0]?.state, 'gone');
    assert.equal(emulator.subscriptions()[0]?.goneCode, 202);
  });

  test('a service that lost its data ends every subscription and knows no uaid', async () => {
    const { firefox, uaid } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    emulator.loseSubscriptions();
    assert.equal((await send(endpoint)).status, 410);
    assert.notEqual((await FakeFirefox.hello(emulator, uaid)).uaid, uaid);
  });

  test("a browser cannot acknowledge another's push, or reject it", async () => {
    const [ann, bob] = [await FakeFirefox.hello(emulator), await FakeFirefox.hello(emulator)];
    const { endpoint } = await ann.firefox.register(vapid.publicKey);
    const { channelID } = await bob.firefox.register(vapid.publicKey);
    await send(endpoint);
    const notification = await ann.firefox.next();
    bob.firefox.acknowledge(notification);
    bob.firefox.acknowledge({ ...notification, channelID });
    bob.firefox.send({ messageType: 'nack', version: notification.version, code: 302 });
    await bob.firefox.drain();
    const [record] = emulator.messages();
    assert.deepEqual([record?.state, record?.nackCode], ['sent', undefined]);
  });
});

/** Ends the connection and waits until the service has noticed. */
async function away(firefox: FakeFirefox): Promise<void> {
  await firefox.leave();
  while (emulator.subscriptions().some(({ isOnline }) => isOnline)) await new Promise(setImmediate);
}
