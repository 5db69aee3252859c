/**
 * Faults of Mozilla's and Google's web push endpoints (vendors.md 5, rows 27, 28 and 31 to 33): what Carillon's sender makes of each, and
 * the library web-push beside it.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { emulatorAgent, type Fault } from 'push-emulator';
import webPush from 'web-push';
import type { Target } from '../packages/carillon/src/push/providers/provider.ts';
import {
  createWebPushProvider,
  type WebPushProviderOptions,
} from '../packages/carillon/src/push/providers/webpush/index.ts';
import { inShort, kindsOf, many, RETRY_AFTER_FORMS, send, useStage } from './support/provider-scenarios.ts';

const SUBJECT = 'mailto:ops@example.com';
const DAY_MS = 24 * 3_600_000;
const pair = webPush.generateVAPIDKeys();
const message = { headers: { TTL: '60' }, payload: { title: 'Hi' } };
const stage = useStage();

function sender(options: WebPushProviderOptions = {}, changes: object = {}) {
  const section = {
    subject: SUBJECT,
    vapid_public_key: pair.publicKey,
    vapid_private_key: pair.privateKey,
    insecure_endpoint_origins: [stage.emulator.httpsUrl],
    ...changes,
  };
  return stage.sender(createWebPushProvider, 'webpush', section, options);
}

/** The status that web-push meets, or the words of what went wrong before there was one. */
async function theirAnswer(
  { token: endpoint, keys }: Target,
  options: webPush.RequestOptions = {},
): Promise<number | string> {
  const agent = emulatorAgent(stage.emulator);
  try {
    const { statusCode } = await webPush.sendNotification({ endpoint, keys: keys! }, '{}', {
      agent,
      TTL: 60,
      vapidDetails: { subject: SUBJECT, ...pair },
      ...options,
    });
    return statusCode;
  } catch (error) {
    return error instanceof webPush.WebPushError ? error.statusCode : String(error);
  } finally {
    agent.destroy();
  }
}

/** What each service does otherwise than the other. */
const SERVICES = [
  { service: 'mozilla', mismatch: 401, credential: 401, credentialCode: 'unauthorized' },
  { service: 'chromium', mismatch: 403, credential: 403, credentialCode: 'forbidden' },
] as const;

for (const { service, mismatch, credential, credentialCode } of SERVICES) {
  suite(service, () => {
    const newTarget = (vapidKey = pair.publicKey): Target => {
      const { endpoint, keys } = stage.emulator.subscribe({ service, vapidKey, isSecure: true });
      return { token: endpoint, keys: { ...keys, vapid: vapidKey } };
    };
    const fault = (one: Partial<Fault> & Pick<Fault, 'kind'>) =>
      stage.emulator.faults.add({ service, ...one });
    const tokensOf = (targets: readonly Target[]) => targets.map(({ token }) => token);

    for (const [status, ours] of [
      [301, 'failed redirect'],
      [307, 'failed redirect'],
      [308, 'failed redirect'],
      [400, 'failed bad_request'],
      [404, 'gone unregistered'],
      [408, 'retry timeout'],
      [410, 'gone unregistered'],
      [413, 'failed payload_too_large'],
      [418, 'failed http_418'],
      [429, 'retry too_many_requests'],
      [500, 'retry internal_error'],
      [502, 'retry bad_gateway'],
      [503, 'retry unavailable'],
      [504, 'retry gateway_timeout'],
      [599, 'retry http_599'],
    ] as const) {
      test(`${status} is "${ours}", the same status to web-push, and asked for once by each`, async () => {
        fault({ kind: 'status', status, times: 2 });
        const target = newTarget();
        const [outcome] = await send(sender(), [target], message);
        assert.equal(inShort(outcome!), ours);
        assert.equal(outcome!.httpStatus, status);
        assert.equal(await theirAnswer(target), status);
        assert.deepEqual(stage.statuses(), [status, status]);
      });
    }

    for (const { name, value, waitMs } of RETRY_AFTER_FORMS) {
      for (const status of [429, 503]) {
        test(`${status} with ${name} to wait for: ${waitMs ?? 'no'} ms, for this subscription alone`, async () => {
          const retryAfter = value(stage.now());
          fault({ kind: 'status', status, ...(retryAfter !== undefined && { retryAfter }) });
          const own = sender();
          const [outcome] = await send(own, [newTarget()], message);
          assert.equal(outcome!.kind, 'retry');
          assert.equal(outcome!.retryAfterMs, waitMs);
          const [other] = await send(own, [newTarget()], message);
          assert.equal(inShort(other!), 'accepted accepted');
        });
      }
    }

    test('a subscription that has ended, or never was, is gone to both; others are reached', async () => {
      const ended = newTarget();
      stage.emulator.unsubscribe(ended.token);
      const unknown = { ...newTarget(), token: `${newTarget().token.slice(0, -8)}AAAAAAAA` };
      const outcomes = await send(sender(), [newTarget(), ended, unknown], message);
      assert.deepEqual(outcomes.map(inShort), [
        'accepted accepted',
        'gone unregistered',
        'gone unregistered',
      ]);
      assert.deepEqual(
        outcomes.map(({ httpStatus }) => httpStatus),
        [201, 410, 404],
      );
      assert.equal(await theirAnswer(ended), 410);
      assert.equal(await theirAnswer(unknown), 404);
    });

    test('exactly the share that has ended is gone', async () => {
      const targets = many(60, newTarget);
      fault({ kind: 'status', status: 410, share: 0.3, times: null });
      const outcomes = await send(sender(), targets, message);
      const refused = stage.records('refused').map(({ target }) => target);
      const gone = outcomes.filter(({ kind }) => kind === 'gone').map(({ index }) => targets[index]!.token);
      assert.ok(gone.length > 0 && gone.length < 60, `${gone.length} of 60`);
      assert.deepEqual(gone.sort(), refused.sort());
    });

    test('a TTL longer than the service keeps is cut, and the push accepted', async () => {
      const days60 = 60 * 24 * 3_600;
      const [outcome] = await send(sender(), [newTarget()], { ...message, headers: { TTL: String(days60) } });
      assert.equal(inShort(outcome!), 'accepted accepted');
      assert.equal(await theirAnswer(newTarget(), { TTL: days60 }), 201);
      // Carillon asks none for more than four weeks, which is what the strictest keeps.
      const most = service === 'mozilla' ? 30 : 28;
      assert.deepEqual(
        stage.records().map(({ headers }) => headers!.ttl / 86_400),
        [28, most],
      );
    });

    suite('VAPID', () => {
      test('of the pair before: the other key is tried at once, and the push accepted once', async () => {
        const before = webPush.generateVAPIDKeys();
        const rotated = sender(
          {},
          {
            previous_vapid_keys: [
              { vapid_public_key: before.publicKey, vapid_private_key: before.privateKey },
            ],
          },
        );
        const old = newTarget(before.publicKey);
        // Where the key was recorded, it is the first to be tried; where not, the second.
        const { p256dh, auth } = old.keys!;
        for (const keys of [old.keys!, { p256dh, auth }]) {
          stage.emulator.forgetMessages();
          const [outcome] = await send(rotated, [{ token: old.token, keys }], message);
          assert.equal(inShort(outcome!), 'accepted accepted');
          assert.equal(stage.records('refused').length, 'vapid' in keys ? 0 : 1);
        }
        assert.equal(await theirAnswer(old), mismatch);
        assert.equal(await theirAnswer(old, { vapidDetails: { subject: SUBJECT, ...before } }), 201);
      });

      test('of a pair that is not ours: gone where that is on record and others pass, else kept', async () => {
        const foreign = newTarget(webPush.generateVAPIDKeys().publicKey);
        const { p256dh, auth } = foreign.keys!;
        const unrecorded = { token: foreign.token, keys: { p256dh, auth } };
        const outcomes = await send(sender(), [newTarget(), foreign, unrecorded], message);
        assert.deepEqual(outcomes.map(inShort), [
          'accepted accepted',
          'gone vapid_key_mismatch',
          'failed vapid_key_mismatch',
        ]);
        assert.deepEqual(
          outcomes.map(({ httpStatus }) => httpStatus),
          [201, mismatch, mismatch],
        );
        assert.equal(await theirAnswer(foreign), mismatch);
      });

      test('nothing but foreign ones looks like our own key: all are kept', async () => {
        const key = webPush.generateVAPIDKeys().publicKey;
        const outcomes = await send(
          sender(),
          many(5, () => newTarget(key)),
          message,
        );
        assert.deepEqual(kindsOf(outcomes), ['failed vapid_key_mismatch']);
      });

      for (const [name, byMs] of [
        ['slow', -2 * DAY_MS],
        ['fast', 2 * DAY_MS],
      ] as const) {
        test(`by a clock that is two days ${name}: the token is refused, and everything waits`, async () => {
          const own = sender({ now: () => stage.now() + byMs });
          const target = newTarget();
          const [outcome] = await send(own, [target], message);
          assert.deepEqual(
            [inShort(outcome!), outcome!.httpStatus, outcome!.retryAfterMs],
            [`retry ${credentialCode} held`, credential, 60_000],
          );
          assert.deepEqual(kindsOf(await send(own, [target], message)), [`retry ${credentialCode} held`]);
          assert.deepEqual(stage.statuses(), [credential]);
        });
      }

      test('a token that has run out is the same to web-push', async () => {
        const target = newTarget();
        const { Authorization } = webPush.getVapidHeaders(
          new URL(target.token).origin,
          SUBJECT,
          pair.publicKey,
          pair.privateKey,
          'aes128gcm',
          Math.floor(stage.now() / 1000) - 3_600,
        );
        const options = { headers: { Authorization }, vapidDetails: null };
        const answer = await theirAnswer(target, options as unknown as webPush.RequestOptions);
        assert.equal(answer, credential);
      });
    });

    suite('connections', () => {
      test('a GOAWAY in the middle of 100 pushes loses and doubles none', async () => {
        const own = sender();
        await send(own, [newTarget()], message);
        stage.emulator.forgetMessages();
        const targets = many(100, newTarget);
        fault({ kind: 'goaway', reason: 'max_age', target: targets[40]!.token });
        assert.deepEqual(kindsOf(await send(own, targets, message)), ['accepted accepted']);
        const arrived = stage.records().filter(({ status }) => status === 201);
        assert.deepEqual(arrived.map(({ target }) => target).sort(), tokensOf(targets).sort());
      });

      test('a refused stream is sent again at once, for it was not acted on', async () => {
        const targets = many(20, newTarget);
        fault({ kind: 'reset', reason: 'REFUSED_STREAM', target: targets[7]!.token });
        assert.deepEqual(kindsOf(await send(sender(), targets, message)), ['accepted accepted']);
        const arrived = stage.records().filter(({ status }) => status === 201);
        assert.deepEqual(arrived.map(({ target }) => target).sort(), tokensOf(targets).sort());
      });

      test('503 after delivery: to be tried again, though it arrived; to web-push, too, it is 503', async () => {
        fault({ kind: 'status', status: 503, after: 'delivery', times: 2 });
        const target = newTarget();
        const [outcome] = await send(sender(), [target], message);
        assert.equal(inShort(outcome!), 'retry unavailable');
        assert.equal(await theirAnswer(target), 503);
        for (const { status, sentAt } of stage.records()) assert.deepEqual([status, sentAt.length], [503, 1]);
      });

      for (const [kind, code, theirs] of [
        ['reset', 'connection_lost', /socket hang up|ECONNRESET/],
        ['silence', 'timeout', /timeout/],
      ] as const) {
        for (const after of [undefined, 'delivery'] as const) {
          const when = after ? 'after' : 'without';
          test(`${kind} ${when} delivery is "retry ${code}", and no answer to web-push`, async () => {
            fault({ kind, times: 2, ...(after && { after }) });
            const own = sender({ requestTimeoutMs: 300 });
            const target = newTarget();
            const [outcome] = await send(own, [target], message);
            assert.equal(inShort(outcome!), `retry ${code}`);
            assert.match(String(await theirAnswer(target, { timeout: 300 })), theirs);
            for (const { status, sentAt } of stage.records()) {
              assert.deepEqual([status, sentAt.length], [undefined, after ? 1 : 0]);
            }
            const [next] = await send(own, [target], message);
            assert.equal(inShort(next!), 'accepted accepted');
          });
        }
      }

      test('slow answers are waited for; a status is enough where the words drip in', async () => {
        const target = newTarget();
        const own = sender({ requestTimeoutMs: 600 });
        fault({ kind: 'delay', ms: 50 });
        assert.deepEqual(kindsOf(await send(own, [target], message)), ['accepted accepted']);
        stage.emulator.unsubscribe(target.token);
        for (const ms of [1, 150]) {
          fault({ kind: 'drip', ms });
          assert.deepEqual(kindsOf(await send(own, [target], message)), ['gone unregistered']);
        }
        fault({ kind: 'drip', ms: 1 });
        assert.equal(await theirAnswer(target), 410);
      });

      test('an authority that nobody knows gets nothing from either', async () => {
        fault({ kind: 'tls', times: null });
        const target = newTarget();
        const [outcome] = await send(sender(), [target], message);
        assert.equal(inShort(outcome!), 'retry connect_failed');
        assert.match(String(outcome!.reason), /certificate/);
        assert.match(String(await theirAnswer(target)), /certificate/);
        assert.deepEqual(stage.records(), []);
      });
    });
  });
}
