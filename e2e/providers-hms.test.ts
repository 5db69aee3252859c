/**
 * HMS' faults (vendors.md 5, rows 1, 23 to 26 and 31 to 33): what Carillon's sender makes of each. Huawei has no library of its own for
 * Node to stand beside it.
 */
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import type { Fault, HmsApp } from 'push-emulator';
import {
  createHmsProvider,
  type HmsProviderOptions,
} from '../packages/carillon/src/push/providers/hms/index.ts';
import { inShort, kindsOf, many, RETRY_AFTER_FORMS, send, useStage } from './support/provider-scenarios.ts';

const message = {
  message: {
    notification: { title: 'Hi', body: 'there' },
    android: { notification: { click_action: { type: 3 } } },
  },
};
const stage = useStage();
let app: HmsApp;
let token: string;

beforeEach(() => {
  app = stage.emulator.hmsApp();
  token = newToken();
});

const newToken = () => stage.emulator.hms.createToken(app);
const fault = (one: Partial<Fault> & Pick<Fault, 'kind'>) =>
  stage.emulator.faults.add({ service: 'hms', ...one });

function sender(options: HmsProviderOptions = {}, changes: object = {}) {
  const section = {
    app_id: app.clientId,
    app_secret: app.clientSecret,
    push_endpoint: stage.emulator.httpsUrl,
    auth_endpoint: `${stage.emulator.httpsUrl}/oauth2/v3/token`,
    ...changes,
  };
  return stage.sender(createHmsProvider, 'hms', section, options);
}

/** By 3.3. Whether the token of a push is gone is shown below, where others are accepted beside it. */
const ROWS: readonly (readonly [code: string, ours: string, waitMs?: number])[] = [
  ['80100001', 'failed invalid_argument'],
  ['80100002', 'failed invalid_argument'],
  ['80100003', 'failed invalid_argument'],
  ['80100004', 'failed invalid_argument'],
  ['80100013', 'failed invalid_collapse_key'],
  ['80100016', 'failed sensitive_content'],
  ['80100017', 'retry topic_queue_full', 60_000],
  ['80100018', 'failed review_refused'],
  ['80200001', 'retry unauthorized held', 60_000],
  ['80200003', 'retry token_expired held', 60_000],
  ['80200005', 'retry token_expired held', 60_000],
  ['80300002', 'retry permission_denied held', 60_000],
  ['80300007', 'failed invalid_token'],
  ['80300008', 'failed payload_too_large'],
  ['80300010', 'failed invalid_token_count'],
  ['80300011', 'retry high_priority_denied', 60_000],
  ['80300013', 'retry receipt_denied', 60_000],
  ['80300029', 'retry test_quota_exceeded', 60_000],
  ['80300030', 'failed test_quota_exceeded'],
  ['80300036', 'retry permission_denied held', 60_000],
  ['80300037', 'retry penalized held', 60_000],
  ['80600003', 'retry oauth_unavailable'],
  ['81000001', 'retry internal_error'],
];

suite('an answer of HMS', () => {
  for (const [code, ours, waitMs] of ROWS) {
    // Huawei documents for no code which status it comes with.
    for (const status of [undefined, 400, 401, 500]) {
      test(`${code} at ${status ?? 200} is "${ours}"`, async () => {
        if (status === undefined) fault({ kind: 'error', reason: code, times: null });
        else fault({ kind: 'error', reason: code, status, times: null });
        const [outcome] = await send(sender(), [token], message);
        assert.deepEqual([inShort(outcome!), outcome!.retryAfterMs], [ours, waitMs]);
        assert.equal(outcome!.httpStatus, status ?? 200);
      });
    }
  }

  for (const [status, ours] of [
    [301, 'retry redirect held'],
    [307, 'retry redirect held'],
    [404, 'retry not_found held'],
    [418, 'failed http_418'],
    [500, 'retry internal_error'],
    [502, 'retry bad_gateway'],
    [503, 'retry flow_control held'],
    [599, 'retry http_599'],
  ] as const) {
    test(`${status} without a code is "${ours}", and was asked for once`, async () => {
      fault({ kind: 'status', status });
      const [outcome] = await send(sender(), [token], message);
      assert.equal(inShort(outcome!), ours);
      assert.deepEqual(stage.statuses(), [status]);
    });
  }

  for (const { name, value, waitMs = 5_000 } of RETRY_AFTER_FORMS) {
    test(`flow control with ${name} to wait for keeps every push for ${waitMs} ms, then they pass`, async () => {
      const retryAfter = value(stage.now());
      fault({ kind: 'status', status: 503, ...(retryAfter !== undefined && { retryAfter }) });
      const own = sender();
      const [outcome] = await send(own, [token], message);
      assert.equal(outcome!.retryAfterMs, waitMs);
      stage.pass(waitMs - 1);
      const [early] = await send(own, [token], message);
      assert.deepEqual([inShort(early!), early!.retryAfterMs], ['retry flow_control held', 1]);
      assert.deepEqual(stage.statuses(), [503]);
      // A minute more, in which the rate would grow.
      stage.pass(60_001);
      const [late] = await send(own, [token], message);
      assert.equal(inShort(late!), 'accepted accepted');
    });
  }
});

suite('addresses', () => {
  for (const answersErrorsAt200 of [true, false]) {
    const where = answersErrorsAt200 ? '200' : 'the status that fits';
    test(`of a thousand in one request, those are gone that Huawei lists (errors at ${where})`, async () => {
      stage.emulator.hms.answersErrorsAt200 = answersErrorsAt200;
      const tokens = many(1_000, newToken);
      const illegal = [3, 500, 999];
      for (const index of illegal) stage.emulator.hms.unregister(tokens[index]!);
      const outcomes = await send(sender(), tokens, message);
      assert.deepEqual(kindsOf(outcomes), ['accepted accepted', 'gone invalid_token']);
      assert.deepEqual(
        outcomes.filter(({ kind }) => kind === 'gone').map(({ index }) => index),
        illegal,
      );
      assert.equal(stage.records().length, 1);
    });

    test(`a request with none but dead ones looks like the wrong app: all are kept (errors at ${where})`, async () => {
      stage.emulator.hms.answersErrorsAt200 = answersErrorsAt200;
      const tokens = many(5, newToken);
      for (const one of tokens) stage.emulator.hms.unregister(one);
      assert.deepEqual(kindsOf(await send(sender(), tokens, message)), ['failed invalid_token']);
    });

    test(`a single dead one, after many that were accepted, is gone (errors at ${where})`, async () => {
      stage.emulator.hms.answersErrorsAt200 = answersErrorsAt200;
      const own = sender();
      await send(own, many(10, newToken), message);
      stage.emulator.hms.unregister(token);
      assert.deepEqual(kindsOf(await send(own, [token], message)), ['gone invalid_token']);
    });
  }

  test('2500 go out in three requests', async () => {
    const outcomes = await send(sender(), many(2_500, newToken), message);
    assert.deepEqual(kindsOf(outcomes), ['accepted accepted']);
    assert.deepEqual(stage.statuses(), [200, 200, 200]);
  });

  test('another app’s tokens are none of ours: they are kept', async () => {
    const other = stage.emulator.hmsApp();
    const tokens = many(5, () => stage.emulator.hms.createToken(other));
    assert.deepEqual(kindsOf(await send(sender(), tokens, message)), ['failed invalid_token']);
  });
});

suite('access tokens', () => {
  for (const answersErrorsAt200 of [true, false]) {
    test(`all of them expired early, said at ${answersErrorsAt200 ? 200 : 401}: one more try, and all are accepted`, async () => {
      stage.emulator.hms.answersErrorsAt200 = answersErrorsAt200;
      const own = sender();
      await send(own, [token], message);
      stage.emulator.expireAccessTokens();
      stage.emulator.forgetMessages();
      assert.deepEqual(kindsOf(await send(own, many(100, newToken), message)), ['accepted accepted']);
      assert.deepEqual(stage.statuses(), [answersErrorsAt200 ? 200 : 401, 200]);
    });
  }

  test('a wrong secret holds every push', async () => {
    const outcomes = await send(sender({}, { app_secret: 'wrong' }), [token, token], message);
    assert.deepEqual(kindsOf(outcomes), ['retry oauth_refused held']);
    assert.deepEqual(stage.records(), []);
  });

  test('a secret of another app than app_id is refused', async () => {
    const other = stage.emulator.hmsApp();
    const [outcome] = await send(sender({}, { app_id: other.clientId }), [token], message);
    assert.equal(inShort(outcome!), 'retry oauth_refused held');
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

  test('that live for five seconds are replaced in time', async () => {
    stage.emulator.setAccessTokenLifetime(5);
    const own = sender();
    await send(own, [token], message);
    stage.pass(5_000);
    assert.deepEqual(kindsOf(await send(own, [token], message)), ['accepted accepted']);
    assert.equal(stage.records('accepted').length, 2);
  });
});

suite('connections', () => {
  test('a GOAWAY loses and doubles no request', async () => {
    const own = sender();
    await send(own, [token], message);
    stage.emulator.forgetMessages();
    fault({ kind: 'goaway', reason: 'max_age' });
    assert.deepEqual(kindsOf(await send(own, many(5_000, newToken), message)), ['accepted accepted']);
    assert.equal(stage.records('accepted').length, 5);
  });

  test('503 after delivery: to be tried again, though it arrived', async () => {
    fault({ kind: 'status', status: 503, after: 'delivery' });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry flow_control held');
    stage.assertAcceptedOnce([token]);
  });

  for (const [kind, code] of [
    ['reset', 'connection_lost'],
    ['silence', 'timeout'],
  ] as const) {
    test(`${kind} after delivery is "retry ${code}" for all of the request, and the next passes`, async () => {
      fault({ kind, after: 'delivery' });
      const own = sender({ requestTimeoutMs: 300 });
      assert.deepEqual(kindsOf(await send(own, [token, newToken()], message)), [`retry ${code}`]);
      stage.assertAcceptedOnce([token]);
      assert.deepEqual(kindsOf(await send(own, [token], message)), ['accepted accepted']);
    });
  }

  test('whether it was accepted stands in the body: what drips in too slowly is in doubt', async () => {
    fault({ kind: 'delay', ms: 50 });
    fault({ kind: 'drip', ms: 1 });
    fault({ kind: 'drip', ms: 150 });
    const own = sender({ requestTimeoutMs: 600 });
    for (const ours of ['accepted accepted', 'accepted accepted', 'retry unreadable_answer']) {
      assert.deepEqual(kindsOf(await send(own, [token], message)), [ours]);
    }
  });

  test('an authority that nobody knows gets nothing, not even the secret', async () => {
    stage.emulator.faults.add({ kind: 'tls', times: null });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry oauth_unavailable');
    assert.match(String(outcome!.reason), /certificate/);
    assert.deepEqual(stage.records(), []);
  });
});
