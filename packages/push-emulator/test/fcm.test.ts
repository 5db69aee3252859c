import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import type { FcmMessage } from '../src/fcm/message.ts';
import { createAddress, Phones } from '../src/fcm/phones.ts';
import { createFcmService, type WebApp } from '../src/fcm/service.ts';
import { Topics } from '../src/fcm/topics.ts';
import type { WebPush } from '../src/fcm/web-payload.ts';
import { GoogleAccounts } from '../src/oauth/google.ts';
import type { Service } from '../src/service.ts';
import { ask } from './vendor-support.ts';

const PROJECT = 'my-project';
const SEND = `/v1/projects/${PROJECT}/messages:send`;
const PREFIX = 'type.googleapis.com/';
const FCM_ERROR = `${PREFIX}google.firebase.fcm.v1.FcmError`;
const BAD_REQUEST = `${PREFIX}google.rpc.BadRequest`;

interface Detail {
  readonly '@type': string;
  readonly errorCode?: string;
  readonly fieldViolations?: readonly { readonly field: string }[];
}

let clock: number;
let google: GoogleAccounts;
let phones: Phones;
let webApps: Map<string, WebApp | 'gone'>;
let service: Service;
let accessToken: string;
let token: string;

beforeEach(() => {
  clock = Date.now();
  google = new GoogleAccounts({ tokenUrl: () => 'http://127.0.0.1/token', now: () => clock });
  phones = new Phones();
  webApps = new Map();
  start();
  google.serviceAccount({ projectId: PROJECT });
  accessToken = google.accessToken(PROJECT);
  token = phones.create(google.ensureProject(PROJECT)).token;
});

function start(quotaPerMinute?: number): void {
  const findWebApp = (address: string) => webApps.get(address);
  const projectOf = (address: string) => {
    const webApp = webApps.get(address);
    return phones.find(address)?.project.id ?? (typeof webApp === 'object' ? webApp.projectId : undefined);
  };
  const topics = new Topics({ google, projectOf });
  service = createFcmService({
    google,
    phones,
    topics,
    findWebApp,
    now: () => clock,
    ...(quotaPerMinute && { quotaPerMinute }),
  });
}

const send = (
  message: object,
  {
    path = SEND,
    bearer = accessToken,
    ...body
  }: { path?: string; bearer?: string; validate_only?: boolean } = {},
) => ask(service, path, { headers: { authorization: `Bearer ${bearer}` }, body: { message, ...body } });

suite('what FCM accepts', () => {
  test('a message to a token: the answer names it', async () => {
    const { answer, body, record } = await send({
      token,
      notification: { title: 'Hi' },
      data: { room: '7' },
    });
    assert.equal(answer.status, 200);
    assert.match(body.name, /^projects\/my-project\/messages\/0:\d{16}%[0-9a-f]{16}$/);
    assert.equal(record.target, token);
    assert.deepEqual(record.payload, { token, notification: { title: 'Hi' }, data: { room: '7' } });
  });

  test('the project by its number', async () => {
    const { number } = google.ensureProject(PROJECT);
    assert.equal(
      (await send({ token }, { path: `/v1/projects/${number}/messages:send` })).answer.status,
      200,
    );
  });

  test('a FID instead of a token, in either field', async () => {
    const { fid } = phones.create(google.ensureProject(PROJECT));
    assert.equal((await send({ fid })).answer.status, 200);
    assert.equal((await send({ token: fid })).answer.status, 200);
  });

  test('a topic and a condition: the answer is a bare number', async () => {
    for (const target of [
      { topic: 'news' },
      { condition: "'a' in topics && ('b' in topics || !('c' in topics))" },
    ]) {
      const { answer, body } = await send({ ...target, notification: { title: 'Hi' } });
      assert.equal(answer.status, 200, String(answer.body));
      assert.match(body.name, /^projects\/my-project\/messages\/\d+$/);
    }
  });

  test('names in lowerCamelCase', async () => {
    const android = {
      collapseKey: 'k',
      priority: 'high',
      ttl: '3.5s',
      notification: { channelId: 'c', notificationPriority: 'PRIORITY_HIGH' },
    };
    const { answer, record } = await send({ token, android });
    assert.equal(answer.status, 200, String(answer.body));
    assert.deepEqual((record.payload as FcmMessage).android, {
      collapse_key: 'k',
      priority: 'HIGH',
      ttl: '3.5s',
      notification: { channel_id: 'c', notification_priority: 'PRIORITY_HIGH' },
    });
  });

  test('a trial without delivery: the answer is a fake name, and the checks are real', async () => {
    const { body } = await send({ token }, { validate_only: true });
    assert.equal(body.name, 'projects/my-project/messages/fake_message_id');
    assert.equal((await send({ token: 'x' }, { validate_only: true })).answer.status, 400);
  });
});

suite('who may send', () => {
  test('nobody without an access token', async () => {
    const { answer, body } = await ask(service, SEND, { body: { message: { token } } });
    assert.equal(answer.status, 401);
    assert.equal(body.error.status, 'UNAUTHENTICATED');
    assert.match(body.error.message, /^Request is missing required authentication credential/);
  });

  test('nobody with one that has expired, and it says so', async () => {
    google.tokens.expireAll();
    const { answer, body } = await send({ token });
    assert.equal(answer.status, 401);
    assert.equal(
      answer.headers?.['www-authenticate'],
      'Bearer realm="https://accounts.google.com/", error="invalid_token"',
    );
    assert.deepEqual(body.error.details, [
      {
        '@type': `${PREFIX}google.rpc.ErrorInfo`,
        reason: 'ACCESS_TOKEN_EXPIRED',
        domain: 'googleapis.com',
        metadata: { method: 'google.firebase.fcm.v1.FcmService.SendMessage', service: 'fcm.googleapis.com' },
      },
    ]);
  });

  test('nobody with one that was never given out', async () => {
    assert.equal((await send({ token }, { bearer: 'ya29.other' })).answer.status, 401);
  });

  test('not in a project that does not exist: 404 without FcmError', async () => {
    const { answer, body } = await send({ token }, { path: '/v1/projects/mistyped/messages:send' });
    assert.equal(answer.status, 404);
    assert.deepEqual(body, {
      error: { code: 404, message: 'Requested entity was not found.', status: 'NOT_FOUND' },
    });
  });

  test("not in another's project, nor without the permission: 403 without FcmError", async () => {
    google.serviceAccount({ projectId: 'other-project' });
    const { answer, body } = await send({ token }, { path: '/v1/projects/other-project/messages:send' });
    assert.equal(answer.status, 403);
    assert.deepEqual(body.error, {
      code: 403,
      message:
        "Permission 'cloudmessaging.messages.create' denied on resource '//cloudresourcemanager.googleapis.com/projects/other-project' (or it may not exist).",
      status: 'PERMISSION_DENIED',
    });
  });

  test('at most so many a minute', async () => {
    start(2);
    const statuses = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await send({ token })).answer.status);
    assert.deepEqual(statuses, [200, 200, 429]);
    const { body } = await send({ token });
    assert.equal(body.error.status, 'RESOURCE_EXHAUSTED');
    assert.equal(body.error.details[0].errorCode, 'QUOTA_EXCEEDED');
    clock += 60_000;
    assert.equal((await send({ token })).answer.status, 200);
  });
});

suite('tokens that no message reaches', () => {
  test('malformed', async () => {
    const { answer, body } = await send({ token: 'not-a-token' });
    assert.equal(answer.status, 400);
    assert.deepEqual(body, {
      error: {
        code: 400,
        message: 'The registration token is not a valid FCM registration token',
        status: 'INVALID_ARGUMENT',
        details: [{ '@type': FCM_ERROR, errorCode: 'INVALID_ARGUMENT' }],
      },
    });
  });

  test('unknown, and one whose app was removed', async () => {
    const phone = phones.create(google.ensureProject(PROJECT));
    phone.isRegistered = false;
    for (const gone of [createAddress().token, phone.token]) {
      const { answer, body } = await send({ token: gone });
      assert.equal(answer.status, 404);
      assert.deepEqual(body, {
        error: {
          code: 404,
          message: 'Requested entity was not found.',
          status: 'NOT_FOUND',
          details: [{ '@type': FCM_ERROR, errorCode: 'UNREGISTERED' }],
        },
      });
    }
  });

  test("another project's", async () => {
    const { token: foreign } = phones.create(google.ensureProject('other-project'));
    const { answer, body } = await send({ token: foreign });
    assert.equal(answer.status, 403);
    assert.equal(body.error.message, 'SenderId mismatch');
    assert.deepEqual(body.error.details, [{ '@type': FCM_ERROR, errorCode: 'SENDER_ID_MISMATCH' }]);
  });
});

suite('what FCM does not allow in a message', () => {
  test('no target: the violation comes before the FcmError', async () => {
    for (const message of [{}, { token: '' }, { notification: { title: 'Hi' } }]) {
      const { answer, body } = await send(message);
      assert.equal(answer.status, 400);
      assert.equal(body.error.message, 'Recipient of the message is not set.');
      assert.deepEqual(body.error.details, [
        {
          '@type': BAD_REQUEST,
          fieldViolations: [{ field: 'message', description: 'Recipient of the message is not set.' }],
        },
        { '@type': FCM_ERROR, errorCode: 'INVALID_ARGUMENT' },
      ]);
    }
  });

  test('a number in data: no FcmError', async () => {
    const { answer, body } = await send({ token, data: { count: 12 } });
    assert.equal(answer.status, 400);
    assert.equal(body.error.message, "Invalid value at 'message.data[0].value' (TYPE_STRING), 12");
    assert.deepEqual(
      body.error.details.map((detail: Detail) => [detail['@type'], detail.fieldViolations?.[0]?.field]),
      [[BAD_REQUEST, 'message.data[0].value']],
    );
  });

  test('too much, and half as much to topics: no details at all', async () => {
    const body = (length: number) => ({ notification: { body: 'x'.repeat(length - 'body'.length) } });
    const refused = {
      error: { code: 400, message: 'Request contains an invalid argument.', status: 'INVALID_ARGUMENT' },
    };
    assert.equal((await send({ token, ...body(4096) })).answer.status, 200);
    assert.deepEqual((await send({ token, ...body(4097) })).body, refused);
    assert.equal((await send({ topic: 't', ...body(2048) })).answer.status, 200);
    assert.deepEqual((await send({ topic: 't', ...body(2049) })).body, refused);
    assert.deepEqual(
      (await send({ token, apns: { payload: { aps: { alert: 'x'.repeat(5000) } } } })).body,
      refused,
    );
    assert.deepEqual(
      (await send({ token, webpush: { notification: { body: 'ü'.repeat(2048) } } })).body,
      refused,
    );
    assert.deepEqual((await send({ token, data: { x: 'x'.repeat(300_000) } })).body, refused);
  });

  const cases: [what: string, message: object, field: string, description: RegExp][] = [
    ['a topic with its prefix', { topic: '/topics/x' }, 'message.topic', /topic/],
    ['a broken condition', { condition: "'a' in topics &&" }, 'message.condition', /condition/],
    [
      'a condition of six topics',
      { condition: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `'${name}' in topics`).join(' || ') },
      'message.condition',
      /condition/,
    ],
    ['the reserved key from', { data: { from: 'x' } }, 'message.data', /: from$/],
    ['the reserved key message_type', { data: { message_type: 'x' } }, 'message.data', /: message_type$/],
    ['a key of google.', { android: { data: { 'google.x': 'x' } } }, 'message.android.data', /: google\.x$/],
    [
      'a key of gcm.notification.',
      { data: { 'gcm.notification.x': 'x' } },
      'message.data',
      /gcm\.notification/,
    ],
    ['more than four weeks', { android: { ttl: '2419201s' } }, 'message.android.ttl', /TTL/],
    ['a negative time to live', { android: { ttl: '-1s' } }, 'message.android.ttl', /TTL/],
    [
      'a link by http',
      { webpush: { fcm_options: { link: 'http://a.b/' } } },
      'message.webpush.fcm_options.link',
      /HTTPS/,
    ],
    [
      'a label with a blank',
      { fcm_options: { analytics_label: 'a b' } },
      'message.fcm_options.analytics_label',
      /label/,
    ],
  ];
  for (const [what, message, field, description] of cases) {
    test(what, async () => {
      const isTopic = 'topic' in message || 'condition' in message;
      const { answer, body, refusal } = await send({ ...(!isTopic && { token }), ...message });
      assert.equal(answer.status, 400);
      const [badRequest, fcmError] = body.error.details;
      assert.equal(badRequest.fieldViolations[0].field, field);
      assert.match(badRequest.fieldViolations[0].description, description);
      assert.equal(fcmError.errorCode, 'INVALID_ARGUMENT');
      assert.equal(refusal, body.error.message);
    });
  }

  const mismatches: [what: string, message: object, field: string][] = [
    ['two targets', { topic: 'x' }, 'message'],
    ['an unknown field', { titel: 'x' }, 'message'],
    ['a time to live without its unit', { android: { ttl: '60' } }, 'message.android.ttl'],
    ['a time to live that is a number', { android: { ttl: 60 } }, 'message.android.ttl'],
    ['an unknown priority', { android: { priority: 'urgent' } }, 'message.android.priority'],
    ['a notification that is a text', { notification: 'Hi' }, 'message.notification'],
    ['a header that is a number', { webpush: { headers: { TTL: 15 } } }, 'message.webpush.headers[0].value'],
    ['an apns payload that is a text', { apns: { payload: '{}' } }, 'message.apns.payload'],
  ];
  for (const [what, message, field] of mismatches) {
    test(`${what}: no FcmError`, async () => {
      const { answer, body } = await send({ token, ...message });
      assert.equal(answer.status, 400);
      assert.equal(body.error.details.length, 1);
      assert.equal(body.error.details[0].fieldViolations[0].field, field);
    });
  }

  test('a body that is no JSON', async () => {
    const { answer } = await ask(service, SEND, {
      headers: { authorization: `Bearer ${accessToken}` },
      body: '{',
    });
    assert.equal(answer.status, 400);
  });
});

suite('a web app with a token of the Firebase SDK', () => {
  let got: { push: WebPush; cause: string }[];
  let webToken: string;
  beforeEach(() => {
    got = [];
    webToken = createAddress().token;
    webApps.set(webToken, {
      projectId: PROJECT,
      deliver: (push, cause) => got.push({ push, cause }),
    });
  });

  test('gets a web push with what FCM makes of the message', async () => {
    const { body } = await send({
      token: webToken,
      notification: { title: 'Hi', body: 'there' },
      data: { room: '7' },
      webpush: {
        headers: { TTL: '15', Urgency: 'high' },
        notification: { body: 'you', icon: '/i.png' },
        fcm_options: { link: 'https://chat.example/7', analytics_label: 'l' },
      },
    });
    const [{ push, cause }] = got as [(typeof got)[0]];
    assert.equal(body.name, `projects/${PROJECT}/messages/${push.id}`);
    assert.equal(cause, 'record');
    assert.deepEqual(push.headers, { ttl: 15, urgency: 'high' });
    assert.deepEqual(push.payload, {
      from: google.ensureProject(PROJECT).number,
      fcmMessageId: push.id,
      priority: 'high',
      notification: { title: 'Hi', body: 'you', icon: '/i.png' },
      data: { room: '7' },
      fcmOptions: { link: 'https://chat.example/7', analytics_label: 'l' },
    });
  });

  test('gets data alone without a notification, for four weeks', async () => {
    await send({ token: webToken, data: { a: '1' }, webpush: { data: { b: '2' } } });
    const [{ push }] = got as [(typeof got)[0]];
    assert.deepEqual(push.headers, { ttl: 2_419_200, urgency: 'normal' });
    assert.deepEqual(Object.keys(push.payload), ['from', 'fcmMessageId', 'priority', 'data']);
    assert.deepEqual(push.payload.data, { b: '2' });
  });

  test('is unregistered once its subscription has ended', async () => {
    webApps.set(webToken, 'gone');
    const { answer, body } = await send({ token: webToken });
    assert.equal(answer.status, 404);
    assert.equal(body.error.details[0].errorCode, 'UNREGISTERED');
  });

  test('gets what is sent to its topics and to conditions, until it leaves them', async () => {
    const bind = (action: string, topic: string) =>
      ask(service, `/iid/v1:${action}`, {
        headers: { authorization: `Bearer ${accessToken}`, access_token_auth: 'true' },
        body: { to: `/topics/${topic}`, registration_tokens: [webToken, createAddress().token] },
      });
    assert.deepEqual((await bind('batchAdd', 'news')).body, { results: [{}, { error: 'NOT_FOUND' }] });
    await send({ topic: 'news', data: { a: '1' } });
    assert.equal(got[0]?.push.payload.from, '/topics/news');
    await send({ topic: 'other', data: { a: '1' } });
    await send({ condition: "'news' in topics && !('muted' in topics)", data: { a: '2' } });
    assert.equal(got.length, 2);
    await bind('batchAdd', 'muted');
    await send({ condition: "'news' in topics && !('muted' in topics)", data: { a: '3' } });
    assert.equal(got.length, 2);
    await bind('batchRemove', 'news');
    await send({ topic: 'news', data: { a: '4' } });
    assert.equal(got.length, 2);
  });
});

suite('errors on request', () => {
  const words: [reason: string, status: number, errorCode: string | undefined][] = [
    ['ACCESS_TOKEN_EXPIRED', 401, undefined],
    ['UNREGISTERED', 404, 'UNREGISTERED'],
    ['INVALID_ARGUMENT', 400, 'INVALID_ARGUMENT'],
    ['INVALID_REGISTRATION_TOKEN', 400, 'INVALID_ARGUMENT'],
    ['RECIPIENT_NOT_SET', 400, 'INVALID_ARGUMENT'],
    ['TYPE_STRING', 400, undefined],
    ['PAYLOAD_TOO_LARGE', 400, undefined],
    ['SENDER_ID_MISMATCH', 403, 'SENDER_ID_MISMATCH'],
    ['PERMISSION_DENIED', 403, undefined],
    ['NOT_FOUND', 404, undefined],
    ['THIRD_PARTY_AUTH_ERROR', 401, 'THIRD_PARTY_AUTH_ERROR'],
    ['THIRD_PARTY_AUTH_ERROR_GENERIC', 401, 'THIRD_PARTY_AUTH_ERROR'],
    ['APNS_AUTH_ERROR', 401, 'APNS_AUTH_ERROR'],
    ['QUOTA_EXCEEDED', 429, 'QUOTA_EXCEEDED'],
    ['RATE_LIMIT_EXCEEDED', 429, undefined],
    ['INTERNAL', 500, 'INTERNAL'],
    ['UNAVAILABLE', 503, 'UNAVAILABLE'],
    ['UNSPECIFIED_ERROR', 500, 'UNSPECIFIED_ERROR'],
  ];
  for (const [reason, status, errorCode] of words) {
    test(reason, () => {
      const answer = service.errorAnswer({ reason });
      assert.equal(answer?.status, status);
      const { error } = JSON.parse(String(answer?.body));
      assert.equal(error.code, status);
      const details: Detail[] = error.details ?? [];
      assert.equal(details.find((detail) => detail['@type'] === FCM_ERROR)?.errorCode, errorCode);
    });
  }

  test('a gateway answers in HTML', () => {
    for (const fault of [{ reason: 'BAD_GATEWAY' }, { status: 502 }]) {
      const answer = service.errorAnswer(fault);
      assert.equal(answer?.status, 502);
      assert.match(String(answer?.headers?.['content-type']), /^text\/html/);
      assert.match(String(answer?.body), /Error 502 \(Server Error\)!!1[\s\S]*30 seconds/);
    }
  });

  test('a status alone is answered with its usual word, an unknown word by nothing', () => {
    assert.match(String(service.errorAnswer({ status: 503 })?.body), /UNAVAILABLE/);
    assert.equal(service.errorAnswer({ status: 418 })?.status, 418);
    assert.equal(service.errorAnswer({ reason: 'NO_SUCH_WORD' }), undefined);
  });
});
