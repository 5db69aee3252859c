import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, describe, it } from 'node:test';
import type { FcmConfig } from '../../../src/config/config.ts';
import { createFcmProvider, type FcmProviderOptions } from '../../../src/push/providers/fcm/index.ts';
import type { Outcome, Provider } from '../../../src/push/providers/provider.ts';
import {
  acceptFcm,
  answerJson,
  FCM_ERROR,
  fcmConfig,
  fcmError,
  OAuthService,
  tokensOf,
  tokenTargets,
} from '../providers/oauth-service.ts';
import {
  makeCertificates,
  PushService,
  type ReceivedPush,
  sendAll,
  stubLookup,
  until,
} from '../webpush/support.ts';

const message = { message: { notification: { title: 'hello' } } };
let fcm: OAuthService;
let provider: Provider;
/** Milliseconds of the provider's own clock, which tests move. */
let clock: number;

afterEach(async () => {
  await provider?.close();
  await fcm?.close();
});

async function start(options: FcmProviderOptions = {}, config: Partial<FcmConfig> = {}): Promise<void> {
  fcm = await OAuthService.startPlain(acceptFcm);
  clock = 1_000;
  provider = createFcmProvider(fcmConfig(fcm, config), { clock: () => clock, ...options });
}

const send = (count: number) => sendAll(provider, tokenTargets(count), message);
const codes = (outcomes: readonly Outcome[]) => [
  ...new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`)),
];
const fault = (
  response: ServerResponse,
  status: number,
  errorCode: string,
  headers?: Record<string, string>,
) => answerJson(response, status, fcmError(status, 'S', 'words', { type: FCM_ERROR, errorCode }), headers);
/** The number in a token of `tokenTargets`. */
const numberOf = (push: ReceivedPush) => Number(tokensOf(push)[0]!.slice(5, 11));
const bodyOf = (push: ReceivedPush) => JSON.parse(push.body.toString());

describe('a send through FCM', () => {
  it('is one POST to the project for each target, with the message as given and its token', async () => {
    await start();
    const given = {
      notification: { title: 'Grüße, "you" 🎉', body: '' },
      data: { a: '\u2028' },
      android: { ttl: '3.5s' },
    };
    const targets = tokenTargets(3);
    const outcomes = await sendAll(provider, targets, { message: given });
    assert.deepEqual(outcomes[2], {
      index: 2,
      kind: 'accepted',
      code: 'accepted',
      httpStatus: 200,
      id: '0:1500415314455276%31bd1c9631bd1c96',
    });
    assert.equal(fcm.sends.length, 3);
    for (const push of fcm.sends) {
      assert.equal(push.path, '/v1/projects/shop-1/messages:send');
      assert.equal(push.headers.authorization, 'Bearer access-1');
      assert.match(String(push.headers['content-type']), /^application\/json/);
      assert.equal(Number(push.headers['content-length']), push.body.length);
      assert.deepEqual(bodyOf(push), { message: { token: targets[numberOf(push)]!.token, ...given } });
    }
  });

  it('leaves the message alone, whatever characters a token is made of', async () => {
    await start();
    // In Latin-1 the first one would be a quote.
    const token = 'a\u0122,"topic":"all\\';
    await sendAll(provider, [{ token }], message);
    assert.deepEqual(fcm.sends.map(bodyOf), [{ message: { token, ...message.message } }]);
  });

  it('may have an empty message, and tokens of different lengths', async () => {
    await start();
    const targets = ['short:1', 'a-little-longer:2', 'short:3'].map((token) => ({ token }));
    await sendAll(provider, targets, { message: {} });
    assert.deepEqual(fcm.sends.map((push) => bodyOf(push).message.token).sort(), [
      'a-little-longer:2',
      'short:1',
      'short:3',
    ]);
  });

  it('names an installation id, a topic and a condition by their own members', async () => {
    await start();
    const condition = "'a' in topics && 'b' in topics";
    await sendAll(
      provider,
      [
        { token: 'cAbCdEfGhIjKlMnOpQrStU' },
        { token: 'news', kind: 'topic' },
        { token: condition, kind: 'condition' },
      ],
      message,
    );
    const targets = fcm.sends.map((push) => {
      const { notification, ...target } = bodyOf(push).message;
      assert.deepEqual(notification, { title: 'hello' });
      return target;
    });
    assert.deepEqual(
      targets.sort((one, other) => Object.keys(one)[0]!.localeCompare(Object.keys(other)[0]!)),
      [{ condition }, { fid: 'cAbCdEfGhIjKlMnOpQrStU' }, { topic: 'news' }],
    );
  });

  it('goes behind the path of an endpoint that has one', async () => {
    fcm = await OAuthService.startPlain(acceptFcm);
    provider = createFcmProvider(fcmConfig(fcm, { endpoint: `${fcm.origin}/fcm/` }));
    await send(1);
    assert.equal(fcm.sends[0]!.path, '/fcm/v1/projects/shop-1/messages:send');
  });

  it('fails where the message has become too large, for topics sooner, and reaches nobody', async () => {
    await start();
    const large = { message: { data: { k: 'x'.repeat(3_000) } } };
    const outcomes = await sendAll(provider, [{ token: 'news', kind: 'topic' }, ...tokenTargets(1)], large);
    assert.deepEqual([outcomes[0]!.kind, outcomes[0]!.code], ['failed', 'invalid_message']);
    assert.match(outcomes[0]!.reason!, /at most 2048 bytes/);
    assert.equal(outcomes[1]!.kind, 'accepted');
    assert.equal(fcm.sends.length, 1);
  });

  it('gives each target its own answer', async () => {
    await start();
    fcm.answer = (push, response) => {
      const answers = [
        () => acceptFcm(push, response),
        () => fault(response, 404, 'UNREGISTERED'),
        () => fault(response, 503, 'UNAVAILABLE', { 'retry-after': '9' }),
        () => answerJson(response, 400, fcmError(400, 'INVALID_ARGUMENT', 'no')),
      ];
      answers[numberOf(push)]!();
    };
    const outcomes = await send(4);
    assert.deepEqual(
      outcomes.map(({ kind, code }) => `${kind} ${code}`),
      ['accepted accepted', 'gone unregistered', 'retry unavailable', 'failed invalid_argument'],
    );
    assert.equal(outcomes[2]!.retryAfterMs, 9_000);
  });
});

describe('an access token of Google', () => {
  it('serves many targets and sends', async () => {
    await start();
    await Promise.all([send(200), send(100)]);
    await send(100);
    assert.equal(fcm.grants.length, 1);
    const form = new URLSearchParams(fcm.grants[0]!.body.toString());
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    assert.equal(form.get('assertion')!.split('.').length, 3);
    assert.equal(fcm.grants[0]!.headers['content-type'], 'application/x-www-form-urlencoded');
  });

  it('is replaced minutes before its end, and no send waits for the next', async () => {
    await start();
    await send(1);
    clock += 3_400_000;
    fcm.grant = () => {};
    assert.deepEqual(codes(await send(2)), ['accepted accepted']);
    await until(() => fcm.grants.length === 2, 'another token is asked for');
    assert.equal(fcm.sends.at(-1)!.headers.authorization, 'Bearer access-1');
  });

  it('of five seconds is used for no longer', async () => {
    await start();
    fcm.grant = (_push, response) =>
      answerJson(response, 200, { access_token: `short-${fcm.grants.length}`, expires_in: 5 });
    await send(1);
    clock += 5_000;
    await send(1);
    assert.deepEqual(
      fcm.sends.map(({ headers }) => headers.authorization),
      ['Bearer short-1', 'Bearer short-2'],
    );
  });

  it('that FCM refuses is replaced once for all, and nobody sees it', async () => {
    await start();
    fcm.answer = (push, response) => {
      if (push.headers.authorization === 'Bearer access-1') {
        answerJson(
          response,
          401,
          fcmError(401, 'UNAUTHENTICATED', 'expired', {
            type: 'google.rpc.ErrorInfo',
            reason: 'ACCESS_TOKEN_EXPIRED',
          }),
        );
      } else acceptFcm(push, response);
    };
    assert.deepEqual(codes(await send(50)), ['accepted accepted']);
    assert.equal(fcm.grants.length, 2);
  });

  it('that is refused again is the operator’s to mend: sends wait a minute, and devices stay', async () => {
    await start();
    fcm.answer = (_push, response) => void response.writeHead(401).end();
    const [outcome] = await send(1);
    assert.deepEqual(
      [outcome!.kind, outcome!.code, outcome!.retryAfterMs],
      ['retry', 'unauthorized', 60_000],
    );
    assert.equal(fcm.sends.length, 2);
    assert.equal(fcm.grants.length, 2);
    const later = await send(5);
    assert.deepEqual(codes(later), ['retry unauthorized']);
    assert.match(later[0]!.reason!, /^not sent: FCM answered 401/);
    assert.equal(fcm.sends.length, 2);
    clock += 60_000;
    fcm.answer = acceptFcm;
    // The gate opens for one to begin with, and lets the others in as time goes.
    clock += 1_000;
    assert.equal((await send(1))[0]!.kind, 'accepted');
  });

  it('that is not granted says why, once, and is asked for again after a minute', async () => {
    await start();
    fcm.grant = (_push, response) =>
      answerJson(response, 400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' });
    const outcomes = await send(20);
    assert.deepEqual(codes(outcomes), ['retry oauth_refused']);
    assert.match(outcomes[0]!.reason!, /OAuth service answered 400: invalid_grant, Invalid JWT Signature\./);
    assert.equal(outcomes[0]!.retryAfterMs, 60_000);
    await send(5);
    assert.equal(fcm.grants.length, 1);
    assert.equal(fcm.sends.length, 0);
  });

  it('is no reason to tell our assertion, even if Google does', async () => {
    await start();
    let assertion = '';
    fcm.grant = (push, response) => {
      assertion = new URLSearchParams(push.body.toString()).get('assertion')!;
      answerJson(response, 400, { error: 'invalid_grant', error_description: `cannot read ${assertion}` });
    };
    const { reason } = (await send(1))[0]!;
    assert.match(reason!, /cannot read/);
    assert.ok(!reason!.includes(assertion.slice(0, 40)));
  });

  for (const [what, grant] of [
    ['an OAuth service that fails', (response: ServerResponse) => void response.writeHead(503).end('no')],
    ['an OAuth service that is silent', () => {}],
    [
      'a token that never is one',
      (response: ServerResponse) => answerJson(response, 200, { access_token: 'a\nb', expires_in: 9 }),
    ],
    [
      'a token without an end',
      (response: ServerResponse) => answerJson(response, 200, { access_token: 'a' }),
    ],
  ] as const) {
    it(`may come later: ${what} holds nothing up for good`, async () => {
      await start({ requestTimeoutMs: 100 });
      fcm.grant = (_push, response) => grant(response);
      const outcomes = await send(30);
      assert.deepEqual(codes(outcomes), ['retry oauth_unavailable']);
      assert.equal(fcm.grants.length, 1);
    });
  }

  it('is not asked for where a redirect leads', async () => {
    await start();
    fcm.grant = (_push, response) =>
      void response.writeHead(307, { location: `${fcm.origin}/elsewhere` }).end();
    assert.deepEqual(codes(await send(1)), ['retry oauth_refused']);
    assert.equal(fcm.sends.length, 0);
  });
});

describe('a quota of FCM', () => {
  it('pauses the project for a minute where no time is named, and reaches FCM no more', async () => {
    await start();
    fcm.answer = (_push, response) => fault(response, 429, 'QUOTA_EXCEEDED');
    const [first] = await send(1);
    assert.deepEqual([first!.kind, first!.code, first!.retryAfterMs], ['retry', 'quota_exceeded', 60_000]);
    clock += 20_000;
    const later = await send(100);
    assert.deepEqual(codes(later), ['retry quota_exceeded']);
    assert.equal(later[0]!.retryAfterMs, 40_000);
    assert.equal(fcm.sends.length, 1);
  });

  it('pauses it for as long as FCM says', async () => {
    await start();
    fcm.answer = (_push, response) => fault(response, 429, 'QUOTA_EXCEEDED', { 'retry-after': '30' });
    assert.equal((await send(1))[0]!.retryAfterMs, 30_000);
  });

  it('stops what of a batch has not set off yet', async () => {
    await start();
    fcm.answer = (_push, response) => fault(response, 429, 'QUOTA_EXCEEDED');
    const outcomes = await send(500);
    assert.deepEqual(codes(outcomes), ['retry quota_exceeded']);
    assert.ok(fcm.sends.length < 200, `${fcm.sends.length} reached FCM`);
  });

  it('of one device is that device’s', async () => {
    await start();
    fcm.answer = (push, response) => {
      if (numberOf(push) > 0) return acceptFcm(push, response);
      const violations = [{ subject: 'device', description: 'Device message rate exceeded' }];
      const error = fcmError(
        429,
        'RESOURCE_EXHAUSTED',
        'x',
        { type: FCM_ERROR, errorCode: 'QUOTA_EXCEEDED' },
        { type: 'google.rpc.QuotaFailure', violations },
      );
      answerJson(response, 429, error);
    };
    const outcomes = await send(20);
    assert.deepEqual([outcomes[0]!.kind, outcomes[0]!.retryAfterMs], ['retry', 60_000]);
    assert.equal(codes(outcomes.slice(1)).join(), 'accepted accepted');
    assert.equal(codes((await send(20)).slice(1)).join(), 'accepted accepted');
  });
});

describe('what the operator has to mend', () => {
  it('pauses the project with words: a missing right', async () => {
    await start();
    fcm.answer = (_push, response) => answerJson(response, 403, fcmError(403, 'PERMISSION_DENIED', 'denied'));
    await send(1);
    const outcomes = await send(9);
    assert.deepEqual(codes(outcomes), ['retry permission_denied']);
    assert.match(outcomes[0]!.reason!, /cloudmessaging\.messages\.create/);
    assert.equal(fcm.sends.length, 1);
  });

  it('removes no device: an unknown project', async () => {
    await start();
    fcm.answer = (_push, response) => answerJson(response, 404, fcmError(404, 'NOT_FOUND', 'not found'));
    assert.deepEqual(codes(await send(1)), ['retry not_found']);
  });

  it('in the project’s key for APNs does not hold up other platforms, and gets no new access token', async () => {
    await start();
    fcm.answer = (push, response) =>
      numberOf(push) % 2 === 0 ? fault(response, 401, 'THIRD_PARTY_AUTH_ERROR') : acceptFcm(push, response);
    const outcomes = await send(40);
    assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 20);
    assert.equal(outcomes.filter(({ code }) => code === 'third_party_auth_error').length, 20);
    assert.equal(outcomes[0]!.retryAfterMs, 60_000);
    assert.equal(fcm.grants.length, 1);
    assert.equal(fcm.sends.length, 40);
  });
});

describe('a token that FCM calls bad', () => {
  const refuse = (response: ServerResponse, isForeign: boolean) =>
    isForeign ? fault(response, 403, 'SENDER_ID_MISMATCH') : answerJson(response, 400, badToken);
  const badToken = fcmError(
    400,
    'INVALID_ARGUMENT',
    'The registration token is not a valid FCM registration token',
    {
      type: FCM_ERROR,
      errorCode: 'INVALID_ARGUMENT',
    },
  );

  for (const [what, isForeign, code] of [
    ['of another project', true, 'sender_id_mismatch'],
    ['with a bad form', false, 'invalid_token'],
  ] as const) {
    it(`(${what}) is removed among many good ones`, async () => {
      await start();
      fcm.answer = (push, response) =>
        numberOf(push) % 5 === 0 ? refuse(response, isForeign) : acceptFcm(push, response);
      const outcomes = await send(50);
      assert.equal(outcomes.filter((outcome) => outcome.kind === 'gone' && outcome.code === code).length, 10);
      assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 40);
    });

    it(`(${what}) stays when all are: the project, the key or the message is the wrong one`, async () => {
      await start();
      await send(30);
      fcm.answer = (_push, response) => refuse(response, isForeign);
      const outcomes = await send(50);
      assert.deepEqual(codes(outcomes), [`failed ${code}`]);
      assert.match(outcomes[0]!.reason!, /the device is kept/);
    });
  }
});

describe('connections to FCM', () => {
  it('carry a hundred streams each, whatever the service allows', async () => {
    const certificates = makeCertificates();
    const service = await PushService.startSecure({
      ...certificates,
      settings: { maxConcurrentStreams: 1_000 },
    });
    const waiting = new Map<unknown, (() => void)[]>();
    fcm = new OAuthService(service, true, (push, response) => {
      const { session } = (response as unknown as { stream: ServerHttp2Stream }).stream;
      const list = waiting.get(session) ?? [];
      waiting.set(session, list);
      if (isOpen) acceptFcm(push, response);
      else list.push(() => acceptFcm(push, response));
    });
    let isOpen = true;
    provider = createFcmProvider(fcmConfig(fcm), { ca: certificates.ca, lookup: stubLookup(['127.0.0.1']) });
    await send(1);
    isOpen = false;
    const sending = send(250);
    await until(() => fcm.sends.length >= 101, 'a second connection is in use');
    assert.equal(waiting.values().next().value!.length, 100);
    isOpen = true;
    for (const list of waiting.values()) for (const answer of list) answer();
    assert.deepEqual(codes(await sending), ['accepted accepted']);
  });
});
