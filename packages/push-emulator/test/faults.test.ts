import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, beforeEach, suite, test } from 'node:test';
import webPush from 'web-push';
import { type Fault, type PushEmulator, startPushEmulator } from '../src/index.ts';
import { send, vapid } from './support.ts';

let emulator: PushEmulator;
let session: ClientHttp2Session | undefined;

beforeEach(async () => {
  emulator = await startPushEmulator();
});
afterEach(async () => {
  session?.destroy();
  session = undefined;
  await emulator.close();
});

interface Outcome {
  readonly status?: number;
  readonly error?: string;
}

/** Posts to a subscription over the one HTTP/2 connection of this test. */
function post(
  { endpoint, keys }: ReturnType<PushEmulator['subscribe']>,
  payload = 'hello',
): Promise<Outcome> {
  session ??= connect(emulator.httpsUrl, { ca: emulator.ca }).on('error', () => {});
  const { headers, body } = webPush.generateRequestDetails({ endpoint, keys }, payload, {
    vapidDetails: { subject: 'mailto:ops@example.com', ...vapid },
    TTL: 60,
  });
  const stream = session.request({
    ...(headers as Record<string, string>),
    ':method': 'POST',
    ':path': new URL(endpoint).pathname,
  });
  stream.end(body);
  return new Promise((resolve) => {
    let status: number | undefined;
    stream.on('response', (answer) => {
      status = answer[':status'];
      stream.resume();
    });
    stream.on('error', (error) => resolve({ error: error.message }));
    stream.on('close', () => resolve(status === undefined ? { error: 'closed' } : { status }));
  });
}

const secure = () => emulator.subscribe({ vapidKey: vapid.publicKey, isSecure: true });

suite('over HTTP/2', () => {
  test('GOAWAY in the middle of the streams: earlier ones are answered, this and later ones not processed', async () => {
    const slow = secure();
    const met = secure();
    const later = secure();
    emulator.faults.add({ target: slow.endpoint, kind: 'delay', ms: 150 });
    emulator.faults.add({ target: met.endpoint, kind: 'goaway', reason: 'max_age' });
    assert.deepEqual(await post(secure()), { status: 201 });
    const goaway = once(session!, 'goaway');
    const outcomes = await Promise.all([post(slow), post(met), post(later)]);
    const [code, lastStreamId, data] = await goaway;
    assert.deepEqual([code, lastStreamId, String(data)], [0, 3, 'max_age']);
    assert.deepEqual(outcomes[0], { status: 201 });
    assert.match(outcomes[1].error!, /REFUSED_STREAM/);
    assert.match(outcomes[2].error!, /REFUSED_STREAM/);
    const delivered = emulator.messages().filter(({ state }) => state === 'acknowledged');
    assert.deepEqual(
      delivered.map(({ target }) => target === met.endpoint || target === later.endpoint),
      [false, false],
    );
  });

  test('GOAWAY at the first stream of a connection: none is processed, and each is told so', async () => {
    const met = secure();
    const slow = secure();
    emulator.faults.add({ target: met.endpoint, kind: 'goaway', reason: 'max_age' });
    emulator.faults.add({ target: slow.endpoint, kind: 'delay', ms: 150 });
    const outcomes = await Promise.all([post(met), post(slow), post(secure())]);
    for (const { error } of outcomes) assert.match(error!, /REFUSED_STREAM/);
    assert.deepEqual(
      emulator.messages().filter(({ state }) => state === 'acknowledged'),
      [],
    );
  });

  test('GOAWAY for too many pings has error 11', async () => {
    emulator.faults.add({ kind: 'goaway', reason: 'too_many_pings' });
    const outcome = post(secure());
    const [code, , data] = await once(session!, 'goaway');
    assert.deepEqual([code, String(data)], [11, 'too_many_pings']);
    assert.ok((await outcome).error);
    assert.equal(emulator.messages()[0]?.state, 'unanswered');
  });

  test('a reset cuts the connection; with an error of HTTP/2, the stream alone', async () => {
    emulator.faults.add({ kind: 'reset', reason: 'REFUSED_STREAM' });
    assert.match((await post(secure())).error!, /REFUSED_STREAM/);
    assert.deepEqual(await post(secure()), { status: 201 });
    emulator.faults.add({ kind: 'reset' });
    const closed = once(session!, 'close');
    assert.ok((await post(secure())).error);
    await closed;
  });

  test('a reset after delivery rings all the same', async () => {
    emulator.faults.add({ kind: 'reset', after: 'delivery' });
    assert.ok((await post(secure(), 'twice')).error);
    assert.partialDeepStrictEqual(emulator.messages(), [{ state: 'acknowledged', payload: 'twice' }]);
    assert.equal(emulator.messages()[0]?.status, undefined);
  });
});

suite('TLS', () => {
  test('the next connection meets an authority that nobody knows, the one after it the right one', async () => {
    emulator.faults.add({ kind: 'tls' });
    const first = connect(emulator.httpsUrl, { ca: emulator.ca });
    const [error] = await once(first, 'error');
    assert.match((error as NodeJS.ErrnoException).code!, /SIGNATURE|ISSUER|VERIFY|SELF_SIGNED/);
    assert.deepEqual(await post(secure()), { status: 201 });
  });

  test('of one service only: the listener that has it', async () => {
    emulator.faults.add({ service: 'apns', kind: 'tls' });
    assert.deepEqual(await post(secure()), { status: 201 });
    const apns = connect(emulator.apnsUrl, { ca: emulator.ca });
    await once(apns, 'error');
    assert.deepEqual(emulator.faults.all(), []);
  });
});

suite('which pushes a fault is for', () => {
  const open = () => emulator.subscribe({ vapidKey: vapid.publicKey });
  const status = async ({ endpoint, keys }: ReturnType<PushEmulator['subscribe']>) =>
    (await send(endpoint, { keys })).status;

  test('one address, one service', async () => {
    const here = open();
    const there = emulator.subscribe({ service: 'chromium', vapidKey: vapid.publicKey });
    emulator.faults.add({ target: here.endpoint, kind: 'status', status: 500, times: null });
    emulator.faults.add({ service: 'chromium', kind: 'status', status: 503, times: null });
    assert.deepEqual([await status(here), await status(there), await status(open())], [500, 503, 201]);
  });

  test('a share of the addresses, always the same', async () => {
    const all = Array.from({ length: 200 }, open);
    emulator.faults.add({ share: 0.3, kind: 'status', status: 500, times: null });
    const statuses = await Promise.all(all.map(status));
    const failing = statuses.filter((each) => each === 500).length;
    // Of 200 with a chance of 0.3: 60, and 40 more or less once in a thousand million runs.
    assert.ok(failing > 20 && failing < 100, `${failing} of 200`);
    assert.deepEqual(await Promise.all(all.map(status)), statuses);
  });

  test('what the service refuses by itself does not use up a status, but a reset', async () => {
    const { endpoint, keys } = open();
    emulator.faults.add({ kind: 'status', status: 503 });
    assert.equal((await send(endpoint, { keys, change: { ttl: undefined } })).status, 400);
    assert.equal((await send(endpoint, { keys })).status, 503);
    emulator.faults.add({ kind: 'reset' });
    await assert.rejects(send(endpoint, { keys, change: { ttl: undefined } }), TypeError);
    assert.equal((await send(endpoint, { keys })).status, 201);
  });

  test('several wait side by side; of those that fit, the first comes first', async () => {
    const here = open();
    emulator.faults.add({ kind: 'status', status: 501 });
    emulator.faults.add({ target: here.endpoint, kind: 'status', status: 502 });
    assert.deepEqual([await status(here), await status(here), await status(here)], [501, 502, 201]);
  });

  test('a call is disturbed by its path, not by what is for pushes', async () => {
    emulator.faults.add({ kind: 'status', status: 500, times: null });
    emulator.faults.add({ service: 'chromium', kind: 'status', status: 502, times: null });
    const checkIn = () => fetch(`${emulator.url}/checkin`, { method: 'POST', body: Buffer.alloc(0) });
    assert.equal((await checkIn()).status, 200);
    emulator.faults.add({ service: 'chromium', target: '/checkin', kind: 'status', status: 503 });
    assert.equal((await checkIn()).status, 503);
  });
});

test('a body comes byte by byte when it drips', async () => {
  const { endpoint, keys } = emulator.subscribe({ vapidKey: vapid.publicKey });
  emulator.faults.add({ kind: 'drip', ms: 1 });
  const response = await send(endpoint, { keys, change: { ttl: undefined } });
  assert.equal(response.status, 400);
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body!) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  assert.equal(JSON.parse(text).message, 'Missing TTL value');
  assert.ok(chunks.length > 10, `${chunks.length} chunks`);
});

for (const [fault, words] of [
  [{ kind: 'status', status: 500, colour: 'red' }, /fault\.colour is "red": the fields are service, target/],
  [{ kind: 'reset', service: 'apple' }, /fault\.service is "apple": mozilla, chromium/],
  [{ kind: 'reset', share: 2 }, /fault\.share is 2: 0 to 1/],
  [{ kind: 'reset', target: '' }, /fault\.target is "": a text of 1 to 4096/],
  [{ kind: 'error', reason: 'UNREGISTERED' }, /fault\.service is undefined: an error needs the vendor/],
  [{ kind: 'error', service: 'fcm' }, /fault\.reason is undefined/],
  [
    { kind: 'error', service: 'mozilla', reason: 'Nope' },
    /fault\.reason is "Nope": mozilla has no such error/,
  ],
  [{ kind: 'drip' }, /fault\.ms is undefined/],
  [{ kind: 'tls', after: 'delivery' }, /fault\.after is "delivery": not with tls/],
] as const) {
  test(`${JSON.stringify(fault)} is refused with the reason`, () => {
    assert.throws(() => emulator.faults.add(fault as Fault), { name: 'TypeError', message: words });
  });
}
