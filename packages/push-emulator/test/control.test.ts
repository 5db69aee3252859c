import assert from 'node:assert/strict';
import { request } from 'node:http';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';
import { send, vapid } from './support.ts';

let emulator: PushEmulator;

beforeEach(async () => {
  emulator = await startPushEmulator();
});
afterEach(() => emulator.close());

async function control(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${emulator.url}/control/${path}`, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

suite('the remote control', () => {
  test('tells its addresses, its authority, what browsers need, and the faults that wait', async () => {
    emulator.faults.add({ service: 'fcm', kind: 'error', reason: 'UNREGISTERED', share: 0.1, times: null });
    emulator.faults.add({ kind: 'reset', times: 2 });
    const { body } = await control('GET', 'state');
    const { url, httpsUrl, mcsUrl, apnsUrl, ca, spkiHash } = emulator;
    assert.partialDeepStrictEqual(body, {
      url,
      httpsUrl,
      mcsUrl,
      apnsUrl,
      ca,
      spkiHash,
      firefoxPreferences: { 'dom.push.serverURL': emulator.wsUrl },
      faults: [
        { service: 'fcm', kind: 'error', reason: 'UNREGISTERED', share: 0.1, times: null },
        { kind: 'reset', times: 2 },
      ],
    });
    assert.ok((body.chromiumArguments as string[]).includes(`--gcm-mcs-endpoint=${mcsUrl}`));
    assert.deepEqual((await control('GET', 'faults')).body, body.faults);
  });

  test('makes a subscription, and ends it', async () => {
    const { body } = await control('POST', 'subscriptions', {
      service: 'chromium',
      vapidKey: vapid.publicKey,
    });
    const { endpoint, keys } = body as unknown as ReturnType<PushEmulator['subscribe']>;
    assert.equal((await send(endpoint, { keys, payload: '{"a":1}' })).status, 201);
    assert.partialDeepStrictEqual((await control('GET', 'messages')).body, [{ payload: { a: 1 } }]);
    assert.equal((await control('POST', 'unsubscribe', { endpoint })).status, 200);
    assert.equal((await send(endpoint, { keys })).status, 410);
    assert.equal((await control('POST', 'unsubscribe', { endpoint })).status, 404);
  });

  test('says what is wrong with a body', async () => {
    const { status, body } = await control('POST', 'subscriptions', { vapidKey: 'x' });
    assert.deepEqual(
      [status, body.error],
      [400, 'vapidKey is "x": a P-256 public key in base64url is expected'],
    );
    const fault = await control('POST', 'faults', { kind: 'error', service: 'apns', reason: 'BadMood' });
    assert.deepEqual(fault.body.error, 'fault.reason is "BadMood": apns has no such error');
    const long = await control('POST', 'faults', { kind: 'reset', target: 'x'.repeat(20_000) });
    assert.equal(long.status, 413);
  });

  test('ends every subscription, as a service that lost its data', async () => {
    const { endpoint, keys } = emulator.subscribe({ vapidKey: vapid.publicKey });
    await control('POST', 'lose', {});
    assert.equal((await send(endpoint, { keys })).status, 410);
  });

  test('pages of other origins, and names that point here, are kept out', async () => {
    const statusWith = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        request(`${emulator.url}/control/messages`, { method: 'DELETE', headers })
          .on('response', (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    assert.equal(await statusWith({ origin: 'http://localhost:9000' }), 403);
    assert.equal(await statusWith({ origin: 'null' }), 403);
    assert.equal(await statusWith({ origin: emulator.url }), 200);
    assert.equal(await statusWith({ host: 'rebound.example.com' }), 403);
    assert.equal(await statusWith({ host: 'push-emulator:8090' }), 200);
    assert.equal(await statusWith({ host: 'localhost:8090' }), 200);
  });
});

suite('events', () => {
  /** Reads server-sent events one by one, comments left out. */
  async function* listen(
    signal: AbortSignal,
  ): AsyncGenerator<{ event: string; data: Record<string, unknown> }> {
    const response = await fetch(`${emulator.url}/control/events`, { signal });
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (event !== undefined) yield { event, data: JSON.parse(data!) };
      }
    }
  }

  test('begin with what there is, and go on with each change', async () => {
    const { endpoint, keys } = emulator.subscribe({ vapidKey: vapid.publicKey });
    await send(endpoint, { keys, payload: 'before' });
    const stop = new AbortController();
    const events = listen(stop.signal);
    const next = async () => (await events.next()).value!;
    assert.partialDeepStrictEqual(await next(), {
      event: 'record',
      data: { payload: 'before', status: 201, body: emulator.messages()[0]!.body.toString('base64url') },
    });
    await send(endpoint, { keys, payload: 'after', change: { ttl: undefined } });
    const states = [await next(), await next()];
    assert.partialDeepStrictEqual(states, [
      { data: { state: 'received' } },
      { data: { state: 'refused', reason: 'Missing TTL value' } },
    ]);
    emulator.forgetMessages();
    assert.equal((await next()).event, 'forgotten');
    stop.abort();
    await assert.rejects(events.next(), { name: 'AbortError' });
  });

  test('are for so many listeners and no more, and a place is free again when one leaves', async () => {
    const stops = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const stop = new AbortController();
        const response = await fetch(`${emulator.url}/control/events`, { signal: stop.signal });
        assert.equal(response.status, 200);
        return stop;
      }),
    );
    const status = async () => {
      const response = await fetch(`${emulator.url}/control/events`);
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await status(), 503);
    for (const stop of stops) stop.abort();
    while ((await status()) === 503);
  });
});
