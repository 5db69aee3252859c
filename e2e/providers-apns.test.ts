/** APNs' faults (vendors.md 5, rows 15 to 22 and 31 to 33): what Carillon's sender makes of each, and node-apn beside it. */
import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import apn from '@parse/node-apn';
import type { ApnsKey, Fault } from 'push-emulator';
import {
  type ApnsProviderOptions,
  createApnsProvider,
} from '../packages/carillon/src/push/providers/apns/index.ts';
import { inShort, kindsOf, many, RETRY_AFTER_FORMS, send, useStage } from './support/provider-scenarios.ts';

const TOPIC = 'com.example.chat';
const HOUR_MS = 3_600_000;
const message = { payload: { aps: { alert: 'Hi' } } };
const stage = useStage();
let key: ApnsKey;
let token: string;

beforeEach(() => {
  key = stage.emulator.apnsKey({ bundleIds: [TOPIC] });
  token = newToken();
});

const newToken = () => stage.emulator.apns.createToken({ topic: TOPIC });
const fault = (one: Partial<Fault> & Pick<Fault, 'kind'>) =>
  stage.emulator.faults.add({ service: 'apns', ...one });

function sender(options: ApnsProviderOptions = {}, credential: object = tokenCredential(key)) {
  const section = { endpoint: stage.emulator.apnsUrl, bundle_id: TOPIC, ...credential };
  return stage.sender(createApnsProvider, 'apns', section, options);
}

function tokenCredential({ key: pem, keyId, teamId }: ApnsKey) {
  return { token_key_pem: pem, token_key_id: keyId, token_team_id: teamId };
}

function library(credential: object = { token: key }): apn.Provider {
  const { hostname, port } = new URL(stage.emulator.apnsUrl);
  const provider = new apn.Provider({
    address: hostname,
    port: Number(port),
    ca: stage.emulator.ca,
    production: true,
    ...credential,
  } as unknown as apn.ProviderOptions);
  stage.closeLater(() => provider.shutdown());
  return provider;
}

const notification = () =>
  Object.assign(new apn.Notification(), { topic: TOPIC, alert: 'Hi', pushType: 'alert' });

/** `410 Unregistered`: what node-apn met; undefined when it sent. */
async function theirAnswer(to = token, provider = library()): Promise<string | undefined> {
  const { failed } = await provider.send(notification(), to);
  const [failure] = failed;
  return (
    failure && (failure.response ? `${failure.status} ${failure.response.reason}` : String(failure.error))
  );
}

/**
 * By 2.4; the same words to node-apn, but for two. It has words of its own for a 500. And it shows another provider token on the
 * connection that called the first one expired, which APNs takes for too many: Carillon leaves the connection.
 */
const ROWS: readonly (readonly [reason: string, status: number, ours: string, theirs?: string])[] = [
  ['BadCollapseId', 400, 'failed bad_collapse_id'],
  ['BadDeviceToken', 400, 'gone bad_device_token'],
  ['BadExpirationDate', 400, 'failed bad_expiration_date'],
  ['BadMessageId', 400, 'failed bad_message_id'],
  ['BadPriority', 400, 'failed bad_priority'],
  ['BadTopic', 400, 'retry bad_topic held'],
  ['DeviceTokenNotForTopic', 400, 'gone device_token_not_for_topic'],
  ['DuplicateHeaders', 400, 'failed duplicate_headers'],
  ['IdleTimeout', 400, 'retry idle_timeout'],
  ['InvalidPushType', 400, 'failed invalid_push_type'],
  ['MissingDeviceToken', 400, 'failed missing_device_token'],
  ['MissingTopic', 400, 'retry missing_topic held'],
  ['PayloadEmpty', 400, 'failed payload_empty'],
  ['TopicDisallowed', 400, 'retry topic_disallowed held'],
  ['BadCertificate', 403, 'retry bad_certificate held'],
  ['BadCertificateEnvironment', 403, 'retry bad_certificate_environment held'],
  ['BadEnvironmentKeyIdInToken', 403, 'retry bad_environment_key_id_in_token held'],
  ['BadEnvironmentKeyInToken', 403, 'retry bad_environment_key_id_in_token held'],
  ['ExpiredProviderToken', 403, 'retry expired_provider_token held', '429 TooManyProviderTokenUpdates'],
  ['Forbidden', 403, 'retry forbidden held'],
  ['InvalidProviderToken', 403, 'retry invalid_provider_token held'],
  ['MissingProviderToken', 403, 'retry missing_provider_token held'],
  ['UnrelatedKeyIdInToken', 403, 'retry unrelated_key_id_in_token held'],
  ['BadPath', 404, 'failed bad_path'],
  ['MethodNotAllowed', 405, 'failed method_not_allowed'],
  ['ExpiredToken', 410, 'gone expired_token'],
  ['Unregistered', 410, 'gone unregistered'],
  ['PayloadTooLarge', 413, 'failed payload_too_large'],
  ['TooManyProviderTokenUpdates', 429, 'retry too_many_provider_token_updates held'],
  ['TooManyRequests', 429, 'retry too_many_requests'],
  ['InternalServerError', 500, 'retry internal_error', 'VError: Error 500, stream ended unexpectedly'],
  ['ServiceUnavailable', 503, 'retry unavailable'],
  ['Shutdown', 503, 'retry shutdown'],
];

suite('an answer of APNs', () => {
  for (const [reason, status, ours, theirs = `${status} ${reason}`] of ROWS) {
    test(`${reason} is "${ours}" to Carillon, "${theirs}" to node-apn`, async () => {
      const bad = newToken();
      fault({ kind: 'error', reason, target: bad, times: null });
      const [good, outcome] = await send(sender(), [token, bad], message);
      assert.equal(inShort(outcome!), ours);
      assert.equal(outcome!.httpStatus, status);
      if (outcome!.kind === 'gone') assert.equal(inShort(good!), 'accepted accepted');
      assert.equal(await theirAnswer(bad), theirs);
    });
  }

  for (const { name, value, waitMs = 10_000 } of RETRY_AFTER_FORMS) {
    test(`429 with ${name} to wait for makes one push wait for ${waitMs} ms, and no other`, async () => {
      const retryAfter = value(stage.now());
      fault({
        kind: 'error',
        reason: 'TooManyRequests',
        ...(retryAfter !== undefined && { retryAfter }),
      });
      const own = sender();
      const [outcome] = await send(own, [token], message);
      assert.deepEqual([inShort(outcome!), outcome!.retryAfterMs], ['retry too_many_requests', waitMs]);
      const [other] = await send(own, [newToken()], message);
      assert.equal(inShort(other!), 'accepted accepted');
    });
  }

  test('an old 410 tells since when, to both: before the latest registration it means nothing', async () => {
    const since = 1_508_249_865_488;
    stage.emulator.apns.unregister(token, since);
    const [outcome] = await send(sender(), [token], message);
    assert.deepEqual([inShort(outcome!), outcome!.goneSince], ['gone unregistered', since]);
    const { failed } = await library().send(notification(), token);
    const response: { reason: string; timestamp?: unknown } | undefined = failed[0]?.response;
    assert.deepEqual(response, { reason: 'Unregistered', timestamp: since });
  });

  for (const status of [301, 307]) {
    test(`a redirect (${status}) is followed by neither`, async () => {
      fault({ kind: 'status', status, times: 2 });
      const [outcome] = await send(sender(), [token], message);
      assert.equal(inShort(outcome!), 'failed redirect');
      assert.ok(await theirAnswer());
      assert.deepEqual(stage.statuses(), [status, status]);
    });
  }

  for (const [status, ours] of [
    [418, 'failed http_418'],
    [599, 'retry http_599'],
  ] as const) {
    test(`${status}, which nobody documents, is "${ours}"`, async () => {
      fault({ kind: 'status', status });
      const [outcome] = await send(sender(), [token], message);
      assert.equal(inShort(outcome!), ours);
    });
  }
});

suite('addresses', () => {
  test('exactly those of removed apps are gone, and node-apn finds the same ones', async () => {
    const tokens = many(60, newToken);
    const removed = tokens.filter((_, index) => index % 3 === 0);
    for (const one of removed) stage.emulator.apns.unregister(one);
    const outcomes = await send(sender(), [token, ...tokens], message);
    const gone = outcomes.filter(({ kind }) => kind === 'gone').map(({ index }) => tokens[index - 1]);
    assert.deepEqual(gone, removed);
    stage.emulator.apns.forceMaxStreams(1000);
    const { failed } = await library().send(notification(), tokens);
    assert.deepEqual(failed.map(({ device }) => device).sort(), [...removed].sort());
  });

  test('the wrong environment makes all of them bad ones to both, and no device is given up', async () => {
    stage.emulator.apns.environment = 'development';
    const tokens = many(5, newToken);
    const outcomes = await send(sender(), tokens, message);
    assert.deepEqual(kindsOf(outcomes), ['failed bad_device_token']);
    assert.match(String(outcomes[0]!.reason), /environment/);
    assert.equal(await theirAnswer(tokens[0]), '400 BadDeviceToken');
  });

  test('a few bad ones among good ones are given up', async () => {
    const bad = 'ab'.repeat(32);
    const outcomes = await send(sender(), [...many(5, newToken), bad], message);
    assert.equal(inShort(outcomes[5]!), 'gone bad_device_token');
  });
});

suite('credentials', () => {
  test('a key under another’s name is InvalidProviderToken to both, and everything waits', async () => {
    const wrong = { ...stage.emulator.apnsKey({ bundleIds: [TOPIC] }), keyId: key.keyId };
    const own = sender({}, tokenCredential(wrong));
    const [outcome] = await send(own, [token], message);
    assert.deepEqual(
      [inShort(outcome!), outcome!.retryAfterMs],
      ['retry invalid_provider_token held', 60_000],
    );
    assert.deepEqual(kindsOf(await send(own, [token, token], message)), [
      'retry invalid_provider_token held',
    ]);
    assert.deepEqual(stage.statuses(), [403]);
    assert.equal(await theirAnswer(token, library({ token: wrong })), '403 InvalidProviderToken');
  });

  test('a topic that the key is not for holds that topic alone', async () => {
    const other = 'com.example.other';
    const theirs = stage.emulator.apns.createToken({ topic: other });
    const own = sender();
    const [refused] = await send(own, [theirs], { ...message, headers: { 'apns-topic': other } });
    assert.equal(inShort(refused!), 'retry topic_disallowed held');
    const [outcome] = await send(own, [token], message);
    assert.equal(inShort(outcome!), 'accepted accepted');
  });

  test('a certificate of the other environment is BadCertificateEnvironment to both', async () => {
    const { p12, passphrase } = stage.emulator.apnsCertificate({
      topics: [TOPIC],
      environment: 'development',
      passphrase: 'secret',
    });
    const credential = {
      auth_type: 'cert',
      cert_p12_b64: p12.toString('base64'),
      cert_p12_password: passphrase,
    };
    const [outcome] = await send(sender({}, credential), [token], message);
    assert.equal(inShort(outcome!), 'retry bad_certificate_environment held');
    const answer = await theirAnswer(token, library({ pfx: p12, passphrase }));
    assert.equal(answer, '403 BadCertificateEnvironment');
  });

  test('a token that a clock makes too old is refused twice, then the clock is to be looked at', async () => {
    const own = sender({ now: () => stage.now() - 3 * HOUR_MS });
    const [outcome] = await send(own, [token], message);
    assert.equal(inShort(outcome!), 'retry expired_provider_token held');
    assert.match(String(outcome!.reason), /clock/);
    assert.deepEqual(stage.statuses(), [403, 403]);
  });

  test('a connection that an expired token has spoilt is left: with a new token, the push passes on another', async () => {
    let lateMs = 0;
    const own = sender({ now: () => stage.now() - lateMs });
    await send(own, [token], message);
    stage.emulator.forgetMessages();
    // The sender's clock stands still for two hours, and is put right when the token is refused.
    lateMs = 2 * HOUR_MS;
    stage.pass(lateMs);
    const stop = stage.emulator.onChange(({ status }) => {
      if (status === 403) lateMs = 0;
    });
    const [outcome] = await send(own, [token], message);
    stop();
    assert.equal(inShort(outcome!), 'accepted accepted');
    assert.deepEqual(stage.statuses(), [403, 200]);
  });

  test('a token is renewed in time, and no connection is shown two within 20 minutes', async () => {
    const own = sender();
    for (let minutes = 0; minutes < 150; minutes += 5) {
      assert.deepEqual(kindsOf(await send(own, [token], message)), ['accepted accepted']);
      stage.pass(5 * 60_000);
    }
    assert.deepEqual(new Set(stage.statuses()), new Set([200]));
  });

  test('a connection that has seen too many tokens is left, without another token', async () => {
    fault({ kind: 'error', reason: 'TooManyProviderTokenUpdates' });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'accepted accepted');
    assert.deepEqual(stage.statuses(), [429, 200]);
  });
});

suite('connections', () => {
  for (const reason of ['{"reason":"Shutdown"}', '']) {
    test(`a GOAWAY (${reason || 'without words'}) in the middle of 100 pushes loses and doubles none`, async () => {
      const own = sender();
      await send(own, [token], message);
      stage.emulator.forgetMessages();
      const tokens = many(100, newToken);
      fault({ kind: 'goaway', reason, target: tokens[40]! });
      assert.deepEqual(kindsOf(await send(own, tokens, message)), ['accepted accepted']);
      stage.assertAcceptedOnce(tokens);
    });
  }

  test('a GOAWAY: what node-apn counts as sent is what was accepted; the rest is lost to it', async () => {
    stage.emulator.apns.forceMaxStreams(1000);
    const provider = library();
    await theirAnswer(token, provider);
    stage.emulator.forgetMessages();
    const tokens = many(20, newToken);
    fault({ kind: 'goaway', reason: '{"reason":"Shutdown"}', target: tokens[10]! });
    const { sent, failed } = await provider.send(notification(), tokens);
    stage.assertAcceptedOnce(sent.map(({ device }) => device));
    assert.ok(failed.some(({ device }) => device === tokens[10]));
  });

  test('a GOAWAY about the certificate’s environment holds what it left, and doubles none', async () => {
    const own = sender();
    await send(own, [token], message);
    stage.emulator.forgetMessages();
    const tokens = many(100, newToken);
    fault({ kind: 'goaway', reason: '{"reason":"BadCertificateEnvironment"}', target: tokens[40]! });
    const outcomes = await send(own, tokens, message);
    assert.deepEqual(kindsOf(outcomes), ['accepted accepted', 'retry bad_certificate_environment held']);
    stage.assertAcceptedOnce(tokens.filter((_, index) => outcomes[index]!.kind === 'accepted'));
  });

  for (const max of [1, 7]) {
    test(`no more than ${max} streams: every push waits for its turn and is accepted once`, async () => {
      stage.emulator.apns.forceMaxStreams(max);
      const tokens = many(100, newToken);
      assert.deepEqual(kindsOf(await send(sender(), tokens, message)), ['accepted accepted']);
      stage.assertAcceptedOnce(tokens);
    });
  }

  test('no streams at all for a while: nothing is sent, and it passes when there are some', async () => {
    stage.emulator.apns.forceMaxStreams(0);
    const own = sender({ connectTimeoutMs: 500, requestTimeoutMs: 100 });
    assert.deepEqual(kindsOf(await send(own, [token, token], message)), ['retry timeout']);
    assert.deepEqual(stage.records(), []);
    stage.emulator.apns.forceMaxStreams(undefined);
    assert.deepEqual(kindsOf(await send(own, [token], message)), ['accepted accepted']);
  });

  test('a refused stream is sent again at once, for it was not acted on', async () => {
    const own = sender();
    await send(own, [token], message);
    stage.emulator.forgetMessages();
    const tokens = many(20, newToken);
    fault({ kind: 'reset', reason: 'REFUSED_STREAM', target: tokens[7]! });
    assert.deepEqual(kindsOf(await send(own, tokens, message)), ['accepted accepted']);
    stage.assertAcceptedOnce(tokens);
  });

  test('silence on one stream costs that push its time, the others nothing', async () => {
    const own = sender({ requestTimeoutMs: 300 });
    await send(own, [token], message);
    stage.emulator.forgetMessages();
    const tokens = many(20, newToken);
    fault({ kind: 'silence', target: tokens[7]! });
    const outcomes = await send(own, tokens, message);
    const late = outcomes.filter(({ kind }) => kind !== 'accepted');
    assert.deepEqual(late.map(inShort), ['retry timeout']);
    assert.equal(late[0]!.index, 7);
    stage.assertAcceptedOnce(tokens.filter((_, index) => index !== 7));
  });

  test('a connection that is dead without a word is given up after one timeout', async () => {
    const own = sender({ requestTimeoutMs: 300 });
    await send(own, [token], message);
    stage.emulator.apns.freeze();
    const [outcome] = await send(own, [token], message);
    assert.equal(inShort(outcome!), 'retry timeout');
    const [next] = await send(own, [token], message);
    assert.equal(inShort(next!), 'accepted accepted');
  });

  for (const after of [undefined, 'delivery'] as const) {
    test(`a reset ${after ? 'after' : 'without'} delivery is "retry connection_lost", and the next push passes`, async () => {
      const own = sender();
      await send(own, [token], message);
      stage.emulator.forgetMessages();
      fault({ kind: 'reset', ...(after && { after }) });
      const [outcome] = await send(own, [token], message);
      assert.equal(inShort(outcome!), 'retry connection_lost');
      assert.deepEqual(
        stage.records().map(({ state }) => state),
        [after ? 'accepted' : 'unanswered'],
      );
      const [next] = await send(own, [token], message);
      assert.equal(inShort(next!), 'accepted accepted');
    });
  }

  test('503 after delivery: to be tried again, though it arrived; node-apn doubles it, too', async () => {
    const twice = { kind: 'error', reason: 'ServiceUnavailable', after: 'delivery' } as const;
    fault(twice);
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry unavailable');
    stage.assertAcceptedOnce([token]);
    stage.emulator.forgetMessages();
    fault(twice);
    assert.equal(await theirAnswer(), undefined);
    stage.assertAcceptedOnce([token, token]);
  });

  test('slow answers are waited for', async () => {
    fault({ kind: 'delay', ms: 50, times: 2 });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'accepted accepted');
    assert.equal(await theirAnswer(), undefined);
  });

  test('words that drip in are waited for, in vain only until the time is up', async () => {
    stage.emulator.apns.unregister(token);
    fault({ kind: 'drip', ms: 1 });
    fault({ kind: 'drip', ms: 150 });
    const own = sender({ requestTimeoutMs: 600 });
    assert.deepEqual(kindsOf(await send(own, [token], message)), ['gone unregistered']);
    // Without its words, a 410 is not believed to be about the device.
    assert.deepEqual(kindsOf(await send(own, [token], message)), ['failed http_410']);
  });

  test('an authority that nobody knows gets nothing from either', async () => {
    fault({ kind: 'tls', times: null });
    const [outcome] = await send(sender(), [token], message);
    assert.equal(inShort(outcome!), 'retry connect_failed');
    assert.match(String(outcome!.reason), /certificate/);
    assert.match(String(await theirAnswer()), /certificate/);
    assert.deepEqual(stage.records(), []);
  });
});
