import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import { createHmsProvider } from '../../../src/push/providers/hms/index.ts';
import type { Outcome, Provider } from '../../../src/push/providers/provider.ts';
import {
  acceptHms,
  answerJson,
  hmsConfig,
  OAuthService,
  tokensOf,
  tokenTargets,
} from '../providers/oauth-service.ts';
import { type ReceivedPush, sendAll } from '../webpush/support.ts';

const message = { message: { data: 'hello' } };
let hms: OAuthService;
let provider: Provider;
/** Milliseconds of the provider's own clock, which tests move. */
let clock: number;

afterEach(async () => {
  await provider?.close();
  await hms?.close();
});

async function start(): Promise<void> {
  hms = await OAuthService.startPlain(acceptHms);
  clock = 1_000;
  provider = createHmsProvider(hmsConfig(hms), { clock: () => clock });
}

const send = (count: number) => sendAll(provider, tokenTargets(count), message);
const codes = (outcomes: readonly Outcome[]) => [
  ...new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`)),
];
const answerCode = (response: ServerResponse, code: string, msg = 'words', status = 200) =>
  answerJson(response, status, { code, msg, requestId: 'id-1' });
/** Calls these of a send's tokens illegal. */
const refuse = (push: ReceivedPush, response: ServerResponse, isIllegal: (number: number) => boolean) => {
  const illegal = tokensOf(push).filter((token) => isIllegal(Number(token.slice(5, 11))));
  const success = tokensOf(push).length - illegal.length;
  answerCode(
    response,
    '80100000',
    JSON.stringify({ success, failure: illegal.length, illegal_tokens: illegal }),
  );
};

describe('a send through HMS', () => {
  it('is one POST for all targets, with the message as given', async () => {
    await start();
    const given = { data: 'Grüße "x"', android: { ttl: '60s' } };
    const targets = tokenTargets(700);
    const outcomes = await sendAll(provider, targets, { message: given });
    assert.equal(outcomes.length, 700);
    assert.deepEqual(outcomes[699], {
      index: 699,
      kind: 'accepted',
      code: 'accepted',
      httpStatus: 200,
      id: '157440955549500001002006',
    });
    const [push] = hms.sends;
    assert.equal(hms.sends.length, 1);
    assert.equal(push!.path, '/v1/104/messages:send');
    assert.equal(push!.headers.authorization, 'Bearer access-1');
    assert.match(String(push!.headers['content-type']), /^application\/json/);
    assert.deepEqual(JSON.parse(push!.body.toString()), {
      message: { ...given, token: targets.map(({ token }) => token) },
    });
  });

  it('is split where there are more than a thousand', async () => {
    await start();
    const outcomes = await send(2_001);
    assert.deepEqual(codes(outcomes), ['accepted accepted']);
    assert.deepEqual(hms.sends.map((push) => tokensOf(push).length).sort(), [1, 1_000, 1_000]);
  });

  it('has topics and conditions in requests of their own', async () => {
    await start();
    const condition = "'a' in topics";
    const targets = [
      { token: 'news', kind: 'topic' as const },
      { token: condition, kind: 'condition' as const },
    ];
    const outcomes = await sendAll(provider, [...targets, ...tokenTargets(2)], message);
    assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 4);
    const sent = hms.sends.map(({ body }) => JSON.parse(body.toString()).message);
    assert.deepEqual(
      sent.find(({ topic }) => topic),
      { data: 'hello', topic: 'news' },
    );
    assert.deepEqual(
      sent.find((one) => one.condition),
      { data: 'hello', condition },
    );
    assert.equal(sent.find(({ token }) => token)!.token.length, 2);
  });

  it('fails where the message has become too large, and reaches nobody', async () => {
    await start();
    const outcomes = await sendAll(provider, tokenTargets(2), { message: { data: 'x'.repeat(5_000) } });
    assert.deepEqual(codes(outcomes), ['failed invalid_message']);
    assert.equal(hms.sends.length, 0);
  });
});

describe('the credentials of HMS', () => {
  it('get a token for many sends', async () => {
    await start();
    await Promise.all([send(3), send(2)]);
    await send(1);
    assert.equal(hms.grants.length, 1);
    const form = new URLSearchParams(hms.grants[0]!.body.toString());
    assert.deepEqual(Object.fromEntries(form), {
      grant_type: 'client_credentials',
      client_id: '104',
      client_secret: 'a-secret-of-huawei',
    });
  });

  it('may come back with escaped slashes in the token', async () => {
    await start();
    hms.grant = (_push, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"access_token":"CgB6e3x9\\/a\\/b+c=","expires_in":3600,"token_type":"Bearer"}');
    };
    await send(1);
    assert.equal(hms.sends[0]!.headers.authorization, 'Bearer CgB6e3x9/a/b+c=');
  });

  for (const status of [200, 401]) {
    it(`are asked for again when the token has run out in the middle, told at ${status}`, async () => {
      await start();
      hms.answer = (push, response) => {
        if (push.headers.authorization === 'Bearer access-1')
          answerCode(response, '80200003', 'expired', status);
        else acceptHms(push, response);
      };
      assert.deepEqual(codes(await send(5)), ['accepted accepted']);
      assert.equal(hms.grants.length, 2);
      assert.equal(hms.sends.length, 2);
    });
  }

  it('that are refused are the operator’s to mend, and are not told', async () => {
    await start();
    hms.grant = (push, response) => {
      const secret = new URLSearchParams(push.body.toString()).get('client_secret');
      answerJson(response, 400, { error: 1101, sub_error: 20044, error_description: `bad secret ${secret}` });
    };
    const outcomes = await send(3);
    assert.deepEqual(codes(outcomes), ['retry oauth_refused']);
    assert.match(outcomes[0]!.reason!, /answered 400: 1101, 20044, bad secret a-se…/);
    await send(3);
    assert.equal(hms.grants.length, 1);
  });

  it('of another app pause all sends, after one more try', async () => {
    await start();
    hms.answer = (_push, response) => answerCode(response, '80200001', 'auth error', 401);
    const [outcome] = await send(1);
    assert.deepEqual(
      [outcome!.kind, outcome!.code, outcome!.retryAfterMs],
      ['retry', 'unauthorized', 60_000],
    );
    assert.equal(hms.sends.length, 2);
    assert.deepEqual(codes(await send(2)), ['retry unauthorized']);
    assert.equal(hms.sends.length, 2);
  });

  for (const option of ['app_id', 'app_secret'] as const) {
    it(`need ${option}, and say so when the provider is made`, async () => {
      hms = await OAuthService.startPlain(acceptHms);
      assert.throws(
        () => createHmsProvider(hmsConfig(hms, { [option]: '' }), { section: 'apps.shop.hms' }),
        new RegExp(`push_notifications\\.apps\\.shop\\.hms\\.${option} is missing`),
      );
    });
  }

  it('go to no endpoint without TLS', async () => {
    hms = await OAuthService.startPlain(acceptHms);
    assert.throws(
      () => createHmsProvider(hmsConfig(hms, { auth_endpoint: 'http://example.com' })),
      /push_notifications\.hms\.auth_endpoint is "http:\/\/example\.com"/,
    );
  });
});

describe('tokens that HMS calls illegal', () => {
  it('are removed, and no others, in a part success', async () => {
    await start();
    hms.answer = (push, response) => refuse(push, response, (number) => number % 10 === 3);
    const outcomes = await send(1_000);
    assert.equal(outcomes.length, 1_000);
    for (const { index, kind, code } of outcomes) {
      const expected = index % 10 === 3 ? 'gone invalid_token' : 'accepted accepted';
      assert.equal(`${kind} ${code}`, expected);
    }
  });

  it('are removed even when nearly all are, for one that was taken shows that the app is the right one', async () => {
    await start();
    hms.answer = (push, response) => refuse(push, response, (number) => number > 0);
    const outcomes = await send(1_000);
    assert.equal(outcomes.filter(({ kind }) => kind === 'gone').length, 999);
  });

  for (const [what, answer] of [
    [
      'in a part success of none',
      (push: ReceivedPush, response: ServerResponse) => refuse(push, response, () => true),
    ],
    [
      'as a whole',
      (_push: ReceivedPush, response: ServerResponse) =>
        answerCode(response, '80300007', 'All the tokens are invalid'),
    ],
  ] as const) {
    it(`stay when there are many and no others (${what}): the app may be the wrong one`, async () => {
      await start();
      await send(30);
      hms.answer = answer;
      const outcomes = await send(50);
      assert.deepEqual(codes(outcomes), ['failed invalid_token']);
      assert.match(outcomes[0]!.reason!, /the device is kept/);
    });

    it(`are removed when it is one, and others were taken lately (${what})`, async () => {
      await start();
      await send(30);
      hms.answer = answer;
      assert.deepEqual(codes(await send(1)), ['gone invalid_token']);
    });
  }
});

describe('flow control of HMS', () => {
  it('pauses all sends, without a body and without a time', async () => {
    await start();
    hms.answer = (_push, response) => void response.writeHead(503).end();
    const outcomes = await send(100);
    assert.deepEqual(codes(outcomes), ['retry flow_control']);
    assert.equal(outcomes[0]!.retryAfterMs, 5_000);
    assert.deepEqual(codes(await send(10)), ['retry flow_control']);
    assert.equal(hms.sends.length, 1);
    clock += 5_000;
    hms.answer = acceptHms;
    clock += 2_000;
    assert.deepEqual(codes(await send(1)), ['accepted accepted']);
  });

  it('waits twice as long when it comes again', async () => {
    await start();
    hms.answer = (_push, response) => void response.writeHead(503).end();
    await send(1);
    clock += 7_000;
    assert.equal((await send(1))[0]!.retryAfterMs, 10_000);
  });

  it('of one message’s rights does not pause others', async () => {
    await start();
    hms.answer = (push, response) => {
      if (push.body.includes('HIGH')) answerCode(response, '80300011', 'no right to high priority');
      else acceptHms(push, response);
    };
    const high = await sendAll(provider, tokenTargets(1), { message: { android: { urgency: 'HIGH' } } });
    assert.deepEqual([high[0]!.code, high[0]!.retryAfterMs], ['high_priority_denied', 60_000]);
    assert.deepEqual(codes(await send(1)), ['accepted accepted']);
  });
});
