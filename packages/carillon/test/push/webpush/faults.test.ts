import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import type { Provider } from '../../../src/push/providers/provider.ts';
import { faultOf } from '../../../src/push/providers/webpush/faults.ts';
import {
  createWebPushProvider,
  type WebPushProviderOptions,
} from '../../../src/push/providers/webpush/index.ts';
import { Browser, PushService, sendAll, webPushConfig } from './support.ts';

const mozilla = (message: string) =>
  JSON.stringify({ code: 401, errno: 109, error: 'Unauthorized', message });

describe('an answer that is more than its target', () => {
  const table: [string, number, string, string | undefined, string?][] = [
    ['Mozilla', 401, mozilla('VAPID public key mismatch'), 'mismatch'],
    ['Mozilla', 401, mozilla('Invalid VAPID audience'), 'credential'],
    ['Mozilla', 401, mozilla('ExpiredSignature'), 'credential'],
    ['Mozilla', 410, '{"code":410,"errno":106,"error":"Gone","message":"No such subscription"}', undefined],
    ['Google', 401, 'authorization header must be specified.\n', 'credential'],
    ['Google', 403, 'invalid JWT provided\n', 'credential'],
    ['Google', 403, 'exp claim MUST NOT be more than 24 hours from the time of the request\n', 'credential'],
    ['Google', 403, 'permission denied: crypto-key header had invalid format.\n', 'credential'],
    [
      'Google',
      403,
      'the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n',
      'mismatch',
    ],
    ['Google', 429, '', undefined],
    ['Apple', 403, '{"reason":"BadJwtToken"}', 'credential'],
    ['Apple', 400, '{"reason":"BadAuthorizationHeader"}', 'credential'],
    ['Apple', 403, '{"reason":"BadVapidPublicKey"}', 'credential'],
    ['Apple', 400, '{"reason":"VapidPkHashMismatch"}', 'mismatch'],
    ['Apple', 400, '{"reason":"BadWebPushTopic"}', undefined],
    ['Apple', 429, '{"reason":"TooManyRequests"}', undefined],
    ['Microsoft', 401, '', 'credential', 'unknown'],
    ['Microsoft', 403, 'Channel URL incompatible with caller app', 'mismatch', 'unknown'],
    ['Microsoft', 406, '', 'quota', 'appthrottled'],
    ['Microsoft', 429, '', 'quota', 'appthrottled'],
    ['Microsoft', 429, '', undefined, 'channelthrottled'],
    ['Microsoft', 400, 'Ttl value conflicts with X-WNS-Cache-Policy.', undefined, 'dropped'],
    ['Microsoft', 410, '', undefined, 'dropped'],
    ['anybody', 401, '', undefined],
    ['anybody', 403, 'forbidden', undefined],
    ['anybody', 201, 'invalid JWT provided', undefined],
  ];
  for (const [service, status, text, fault, wns] of table) {
    it(`is told apart: ${service}, ${status} ${wns ?? text.slice(0, 50).trim()} is ${fault ?? 'not one'}`, () => {
      assert.equal(faultOf({ status, text, wns }), fault);
    });
  }
});

describe('a push service', () => {
  const browser = new Browser();
  let service: PushService;
  let provider: Provider;

  afterEach(async () => {
    await provider?.close();
    await service?.close();
  });

  async function start(
    answer: (response: ServerResponse) => void,
    options: WebPushProviderOptions = {},
  ): Promise<void> {
    service = await PushService.startPlain();
    service.answer = (_push, response) => answer(response);
    provider = createWebPushProvider(
      webPushConfig({ insecure_endpoint_origins: [`http://127.0.0.1:${service.port}`] }),
      options,
    );
  }
  const send = (count: number) =>
    sendAll(
      provider,
      Array.from({ length: count }, (_, index) =>
        browser.target(`http://127.0.0.1:${service.port}/x/${index}`),
      ),
    );

  it('that refuses our token gets nothing more until it may be mended, and all messages are kept', async () => {
    let clock = 1_000_000;
    await start((response) => void response.writeHead(403).end('{"reason":"BadJwtToken"}'), {
      clock: () => clock,
    });
    const outcomes = await send(60);
    assert.deepEqual(
      new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`)),
      new Set(['retry forbidden']),
    );
    assert.match(outcomes[0]!.reason!, /BadJwtToken; check push_notifications\.webpush\.subject/);
    assert.ok(outcomes.every(({ retryAfterMs }) => retryAfterMs === 60_000));
    const sent = service.received.length;
    assert.ok(sent < 60, `${sent} were sent`);
    await send(5);
    assert.equal(service.received.length, sent);

    service.answer = (_push, response) => void response.writeHead(201).end();
    clock += 200_000;
    assert.ok((await send(30)).every(({ kind }) => kind === 'accepted'));
  });

  it('that has had enough of us, as Microsoft says it, is left alone for as long as it wants', async () => {
    await start((response) => {
      const headers = { 'retry-after': '900', 'x-wns-status': 'appthrottled', 'x-wns-msg-id': '1' };
      response.writeHead(406, headers).end();
    });
    const outcomes = await send(60);
    assert.ok(outcomes.every(({ kind, code }) => kind === 'retry' && code === 'too_many_requests'));
    assert.ok(outcomes.every(({ retryAfterMs }) => retryAfterMs! > 890_000 && retryAfterMs! <= 900_000));
    const sent = service.received.length;
    await send(5);
    assert.equal(service.received.length, sent);
  });

  it('holds up no other one', async () => {
    await start((response) => void response.writeHead(403).end('{"reason":"BadJwtToken"}'));
    const other = await PushService.startPlain();
    const origins = [service, other].map(({ port }) => `http://127.0.0.1:${port}`);
    const both = createWebPushProvider(webPushConfig({ insecure_endpoint_origins: origins }));
    try {
      const targets = origins.flatMap((origin) => [
        browser.target(`${origin}/a`),
        browser.target(`${origin}/b`),
      ]);
      await sendAll(both, targets);
      const outcomes = await sendAll(both, targets);
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['retry', 'retry', 'accepted', 'accepted'],
      );
    } finally {
      await both.close();
      await other.close();
    }
  });

  it('loses a device that it knows without a key', async () => {
    await start((response) => void response.writeHead(400).end('<HTML>UnauthorizedRegistration</HTML>'));
    const [outcome] = await send(1);
    assert.deepEqual([outcome!.kind, outcome!.code], ['gone', 'unregistered']);
  });
});
