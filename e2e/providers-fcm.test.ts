/** FCM's faults (vendors.md 5, rows 1 to 14 and 31 to 33): what Carillon's sender makes of each, and firebase-admin beside it. */
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { cert, deleteApp, initializeApp } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import type { Fault } from 'push-emulator';
import {
  createFcmProvider,
  type FcmProviderOptions,
} from '../packages/carillon/src/push/providers/fcm/index.ts';
import { inShort, kindsOf, many, RETRY_AFTER_FORMS, send, useStage } from './support/provider-scenarios.ts';

const PROJECT = 'my-project';
const message = { message: { notification: { title: 'Hi' } } };
const stage = useStage();
let account: string;
let token: string;

beforeEach(() => {
  account = stage.emulator.serviceAccount({ projectId: PROJECT });
  token = newToken();
});

const newToken = (projectId = PROJECT) => stage.emulator.fcm.createToken({ projectId });
const fault = (one: Partial<Fault> & Pick<Fault, 'kind'>) =>
  stage.emulator.faults.add({ service: 'fcm', ...one });

function sender(options: FcmProviderOptions = {}, key = account) {
  const section = { endpoint: stage.emulator.httpsUrl, credentials_json: key };
  return stage.sender(createFcmProvider, 'fcm', section, options);
}

function library(key = account): Messaging {
  const app = initializeApp({ credential: cert(JSON.parse(key)) }, `${Math.random()}`);
  stage.closeLater(() => deleteApp(app));
  return getMessaging(app);
}

/** firebase-admin's word for what it met, without `messaging/`; undefined when it sent. */
async function theirCode(to = token, messaging = library()): Promise<string | undefined> {
  try {
    await messaging.send({ token: to, ...message.message });
    return undefined;
  } catch (error) {
    return (error as { code: string }).code.replace('messaging/', '');
  }
}

/** How often the token endpoint was asked, from here on. */
function countTokenRequests(): () => number {
  const most = 1_000;
  stage.emulator.faults.add({ service: 'oauth', kind: 'delay', ms: 0, times: most });
  return () => most - (stage.emulator.faults.all().find(({ service }) => service === 'oauth')?.times ?? most);
}

interface Row {
  readonly reason: string;
  readonly ours: string;
  /** Milliseconds; absent when the queue's own back-off decides. */
  readonly waitMs?: number;
  readonly theirs: string;
  readonly retryAfter?: number;
}

/**
 * firebase-admin goes by the canonical status where FCM names no code of its own. So it takes a project that does not exist for a token
 * that does not, an expired access token for a bad APNs key, and missing rights for another project's token. Carillon, by 1.4, removes
 * no device for these.
 */
const ROWS: readonly Row[] = [
  { reason: 'UNREGISTERED', ours: 'gone unregistered', theirs: 'registration-token-not-registered' },
  { reason: 'INVALID_ARGUMENT', ours: 'gone invalid_token', theirs: 'invalid-argument' },
  { reason: 'INVALID_REGISTRATION_TOKEN', ours: 'gone invalid_token', theirs: 'invalid-argument' },
  { reason: 'SENDER_ID_MISMATCH', ours: 'gone sender_id_mismatch', theirs: 'mismatched-credential' },
  { reason: 'RECIPIENT_NOT_SET', ours: 'failed invalid_argument', theirs: 'invalid-argument' },
  { reason: 'TYPE_STRING', ours: 'failed invalid_argument', theirs: 'invalid-argument' },
  { reason: 'PAYLOAD_TOO_LARGE', ours: 'failed invalid_argument', theirs: 'invalid-argument' },
  {
    reason: 'ACCESS_TOKEN_EXPIRED',
    ours: 'retry unauthorized held',
    waitMs: 60_000,
    theirs: 'third-party-auth-error',
  },
  {
    reason: 'PERMISSION_DENIED',
    ours: 'retry permission_denied held',
    waitMs: 60_000,
    theirs: 'mismatched-credential',
  },
  {
    reason: 'NOT_FOUND',
    ours: 'retry not_found held',
    waitMs: 60_000,
    theirs: 'registration-token-not-registered',
  },
  {
    reason: 'THIRD_PARTY_AUTH_ERROR',
    ours: 'retry third_party_auth_error held',
    waitMs: 60_000,
    theirs: 'third-party-auth-error',
  },
  {
    reason: 'THIRD_PARTY_AUTH_ERROR_GENERIC',
    ours: 'retry third_party_auth_error held',
    waitMs: 60_000,
    theirs: 'third-party-auth-error',
  },
  {
    reason: 'APNS_AUTH_ERROR',
    ours: 'retry third_party_auth_error held',
    waitMs: 60_000,
    theirs: 'third-party-auth-error',
  },
  {
    reason: 'QUOTA_EXCEEDED',
    ours: 'retry quota_exceeded held',
    waitMs: 60_000,
    theirs: 'message-rate-exceeded',
  },
  {
    reason: 'RATE_LIMIT_EXCEEDED',
    ours: 'retry quota_exceeded held',
    waitMs: 60_000,
    theirs: 'message-rate-exceeded',
  },
  { reason: 'INTERNAL', ours: 'retry internal_error', waitMs: 10_000, theirs: 'internal-error' },
  {
    reason: 'UNAVAILABLE',
    ours: 'retry unavailable',
    // The library tries again by itself where it would have to wait for a minute at most.
    retryAfter: 120,
    waitMs: 120_000,
    theirs: 'server-unavailable',
  },
  { reason: 'BAD_GATEWAY', ours: 'retry bad_gateway', waitMs: 30_000, theirs: 'unknown-error' },
  { reason: 'UNSPECIFIED_ERROR', ours: 'retry unspecified_error', theirs: 'unknown-error' },
];

suite('an answer of FCM', () => {
  for (const { reason, ours, waitMs, theirs, retryAfter } of ROWS) {
    test(`${reason} is "${ours}" to Carillon, ${theirs} to firebase-admin`, async () => {
      const bad = newToken();
      fault({
        kind: 'error',
        reason,
        target: bad,
        times: null,
        ...(retryAfter !== undefined && { retryAfter }),
      });
      const [good, outcome] = await send(sender(), [token, bad], message);
      assert.equal(inShort(outcome!), ours);
      assert.equal(outcome!.retryAfterMs, waitMs);
      if (outcome!.kind === 'gone') assert.equal(inShort(good!), 'accepted accepted');
      assert.equal(await theirCode(bad), theirs);
    });
  }

  for (const { name, value, waitMs = 60_000 } of RETRY_AFTER_FORMS) {
    test(`a quota with ${name} to wait for keeps every push for ${waitMs} ms, then they pass`, async () => {
      const retryAfter = value(stage.now());
      fault({
        kind: 'error',
        reason: 'QUOTA_EXCEEDED',
        ...(retryAfter !== undefined && { retryAfter }),
      });
      const own = sender();
      const [outcome] = await send(own, [token], message);
      assert.equal(outcome!.retryAfterMs, waitMs);
      stage.pass(waitMs - 1);
      const [early] = await send(own, [token], message);
      assert.deepEqual([inShort(early!), early!.retryAfterMs], ['retry quota_exceeded held', 1]);
      assert.deepEqual(stage.statuses(), [429]);
      // A minute more, in which the rate would grow.
      stage.pass(60_001);
      const [late] = await send(own, [token], message);
      assert.equal(inShort(late!), 'accepted accepted');
    });
  }

  test('firebase-admin, too, leaves 429 to its caller, at once', async () => {
    fault({ kind: 'error', reason: 'QUOTA_EXCEEDED', retryAfter: 1 });
    assert.equal(await theirCode(), 'message-rate-exceeded');
    assert.deepEqual(stage.statuses(), [429]);
  });

  for (const [status, ours] of [
    [418, 'failed http_418'],
    [408, 'retry http_408'],
    [504, 'retry gateway_timeout'],
    [599, 'retry http_599'],
  ] as const) {
    test(`${status}, which nobody documents, is "${ours}"`, async () => {
      fault({ kind: 'status', status });
      const [outcome] = await send(sender(), [token], message);
      assert.equal(inShort(outcome!), ours);
    });
  }

  for (const status of [301, 307, 308]) {
    test(`a redirect (${status}) is followed by neither: no credential leaves`, async () => {
      fault({ kind: 'status', status, times: 2 });
      const [outcome] = await send(sender(), [token], message);
      assert.equal(inShort(outcome!), 'retry redirect held');
      assert.deepEqual(stage.statuses(), [status]);
      assert.ok(await theirCode());
      assert.deepEqual(stage.statuses(), [status, status]);
    });
  }
});

suite('addresses', () => {
  test('exactly the share that is unregistered is gone, and firebase-admin finds the same ones', async () => {
    const tokens = many(60, newToken);
    fault({ kind: 'error', reason: 'UNREGISTERED', share: 0.3, times: null });
    const outcomes = await send(sender(), tokens, message);
    const gone = tokens.filter((_, index) => outcomes[index]!.kind === 'gone');
    assert.ok(gone.length > 0 && gone.length < tokens.length, `${gone.length} of 60`);
    stage.assertAcceptedOnce(tokens.filter((one) => !gone.includes(one)));
    const { responses } = await library().sendEachForMulticast({ tokens, ...message.message });
    const code = 'messaging/registration-token-not-registered';
    assert.deepEqual(
      tokens.filter((_, index) => responses[index]!.error?.code === code),
      gone,
    );
  });

  test('nothing but another project’s tokens looks like the wrong key: no device is given up', async () => {
    const foreign = many(5, () => newToken('other-project'));
    const outcomes = await send(sender(), foreign, message);
    assert.deepEqual(kindsOf(outcomes), ['failed sender_id_mismatch']);
    assert.equal(await theirCode(foreign[0]), 'mismatched-credential');
  });
});

suite('access tokens', () => {
  test('all of them expired early: one refresh, and every push is accepted once', async () => {
    const own = sender();
    const messaging = library();
    await send(own, [token], message);
    assert.equal(await theirCode(token, messaging), undefined);
    stage.emulator.expireAccessTokens();
    stage.emulator.forgetMessages();
    const asked = countTokenRequests();
    const tokens = many(50, newToken);
    assert.deepEqual(kindsOf(await send(own, tokens, message)), ['accepted accepted']);
    assert.equal(asked(), 1);
    stage.assertAcceptedOnce(tokens);
    // The library believes the time that it was promised.
    assert.equal(await theirCode(token, messaging), 'third-party-auth-error');
  });

  test('that live for five seconds are replaced in time', async () => {
    stage.emulator.setAccessTokenLifetime(5);
    const own = sender();
    const asked = countTokenRequests();
    await send(own, [token], message);
    stage.pass(5_000);
    assert.deepEqual(kindsOf(await send(own, [token, token], message)), ['accepted accepted']);
    assert.equal(asked(), 2);
    assert.deepEqual(stage.statuses(), [200, 200, 200]);
  });

  test('a key that signs wrongly holds every push, and firebase-admin is told the same', async () => {
    const { private_key } = JSON.parse(stage.emulator.serviceAccount({ projectId: PROJECT }));
    const wrong = JSON.stringify({ ...JSON.parse(account), private_key });
    const outcomes = await send(sender({}, wrong), [token, token], message);
    assert.deepEqual(kindsOf(outcomes), ['retry oauth_refused held']);
    assert.match(String(outcomes[0]!.reason), /invalid_grant, Invalid JWT Signature/);
    await assert.rejects(library(wrong).send({ token, ...message.message }), /invalid_grant|Invalid JWT/);
    assert.deepEqual(stage.records(), []);
  });

  for (const [name, one] of [
    ['answers 500', { kind: 'status', status: 500 }],
    ['cuts the connection', { kind: 'reset' }],
    ['never answers', { kind: 'silence' }],
  ] as const) {
    test(`a token endpoint that ${name} has pushes tried again, and they pass when it is back`, async () => {
      stage.emulator.faults.add({ service: 'oauth', ...one });
      const own = sender({ requestTimeoutMs: 300 });
      const [outcome] = await send(own, [token], message);
      assert.equal(inShort(outcome!), 'retry oauth_unavailable');
      stage.pass(2_000);
      const [next] = await send(own, [token], message);
      assert.equal(inShort(next!), 'accepted accepted');
    });
  }

  test('a slow token endpoint is waited for, once for all', async () => {
    stage.emulator.faults.add({ service: 'oauth', kind: 'delay', ms: 50 });
    const tokens = many(20, newToken);
    assert.deepEqual(kindsOf(await send(sender(), tokens, message)), ['accepted accepted']);
    stage.assertAcceptedOnce(tokens);
  });

  test('the token endpoint’s redirect is not followed', async () => {
    stage.emulator.faults.add({ service: 'oauth', kind: 'status', status: 307 });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry oauth_refused held');
  });
});

suite('connections', () => {
  for (const reason of ['too_many_pings', 'session_timeout', 'max_age']) {
    test(`a GOAWAY (${reason}) in the middle of 100 pushes loses and doubles none`, async () => {
      const own = sender();
      await send(own, [token], message);
      stage.emulator.forgetMessages();
      const tokens = many(100, newToken);
      fault({ kind: 'goaway', reason, target: tokens[40]! });
      assert.deepEqual(kindsOf(await send(own, tokens, message)), ['accepted accepted']);
      stage.assertAcceptedOnce(tokens);
    });
  }

  test('a GOAWAY: what firebase-admin counts as sent is what was accepted; the rest is lost to it', async () => {
    const tokens = many(20, newToken);
    fault({ kind: 'goaway', reason: 'max_age', target: tokens[10]! });
    const { responses } = await library().sendEachForMulticast({ tokens, ...message.message });
    stage.assertAcceptedOnce(tokens.filter((_, index) => responses[index]!.success));
    assert.equal(responses[10]!.success, false);
  });

  test('a refused stream is sent again at once, for it was not acted on', async () => {
    const tokens = many(20, newToken);
    fault({ kind: 'reset', reason: 'REFUSED_STREAM', target: tokens[7]! });
    assert.deepEqual(kindsOf(await send(sender(), tokens, message)), ['accepted accepted']);
    stage.assertAcceptedOnce(tokens);
  });

  test('503 after delivery: to be tried again, though it arrived; firebase-admin doubles it, too', async () => {
    const twice = { kind: 'status', status: 503, after: 'delivery', retryAfter: 0 } as const;
    fault(twice);
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry unavailable');
    assert.deepEqual(stage.statuses(), [503]);
    stage.assertAcceptedOnce([token]);
    stage.emulator.forgetMessages();
    fault(twice);
    assert.equal(await theirCode(), undefined);
    assert.deepEqual(stage.statuses(), [503, 200]);
    stage.assertAcceptedOnce([token, token]);
  });

  for (const [kind, code] of [
    ['reset', 'connection_lost'],
    ['silence', 'timeout'],
  ] as const) {
    for (const after of [undefined, 'delivery'] as const) {
      test(`${kind} ${after ? 'after' : 'without'} delivery is "retry ${code}", and the next push passes`, async () => {
        fault({ kind, ...(after && { after }) });
        const own = sender({ requestTimeoutMs: 300 });
        const [outcome] = await send(own, [token], message);
        assert.equal(inShort(outcome!), `retry ${code}`);
        assert.deepEqual(
          stage.records().map(({ state }) => state),
          [after ? 'accepted' : 'unanswered'],
        );
        const [next] = await send(own, [token], message);
        assert.equal(inShort(next!), 'accepted accepted');
      });
    }
  }

  test('firebase-admin sends again by itself after a reset: what was delivered is doubled', async () => {
    fault({ kind: 'reset', after: 'delivery' });
    assert.equal(await theirCode(), undefined);
    stage.assertAcceptedOnce([token, token]);
  });

  test('slow answers are waited for; what drips in counts as soon as its status is known', async () => {
    fault({ kind: 'delay', ms: 50 });
    fault({ kind: 'drip', ms: 1 });
    fault({ kind: 'drip', ms: 150 });
    const own = sender({ requestTimeoutMs: 600 });
    for (const hasId of [true, true, false]) {
      const [outcome] = await send(own, [token], message);
      assert.equal(inShort(outcome!), 'accepted accepted');
      assert.equal(outcome!.id !== undefined, hasId);
    }
    fault({ kind: 'drip', ms: 1 });
    assert.equal(await theirCode(), undefined);
  });

  test('an authority that nobody knows gets nothing from either', async () => {
    const messaging = library();
    assert.equal(await theirCode(token, messaging), undefined);
    stage.emulator.forgetMessages();
    fault({ kind: 'tls', times: null });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry connect_failed');
    assert.match(String(outcome!.reason), /certificate/);
    const { responses } = await messaging.sendEach([{ token, ...message.message }]);
    assert.match(String(responses[0]!.error), /certificate/);
    assert.deepEqual(stage.records(), []);
  });
});
