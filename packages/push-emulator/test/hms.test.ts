import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { createHmsService } from '../src/hms/service.ts';
import { HmsTokens } from '../src/hms/tokens.ts';
import { type HmsApp, HuaweiApps } from '../src/oauth/huawei.ts';
import type { Service } from '../src/service.ts';
import { ask } from './vendor-support.ts';

let clock: number;
let huawei: HuaweiApps;
let tokens: HmsTokens;
let service: Service;
let answersErrorsAt200: boolean;
let app: HmsApp;
let accessToken: string;
let token: string;

beforeEach(() => {
  clock = Date.now();
  huawei = new HuaweiApps({ now: () => clock });
  tokens = new HmsTokens();
  answersErrorsAt200 = true;
  service = createHmsService({ huawei, tokens, answersErrorsAt200: () => answersErrorsAt200 });
  app = huawei.createApp();
  accessToken = huawei.tokens.issue(app).token;
  token = tokens.create(app);
});

const DATA = { data: '{"room":"7"}' };

const send = (
  message: object,
  {
    path = `/v1/${app.clientId}/messages:send`,
    bearer = accessToken,
    ...body
  }: { path?: string; bearer?: string; validate_only?: boolean } = {},
) => ask(service, path, { headers: { authorization: `Bearer ${bearer}` }, body: { message, ...body } });

suite('what Push Kit accepts', () => {
  test('a message to tokens, by v1 with the client and by v2 with the project', async () => {
    for (const path of [`/v1/${app.clientId}/messages:send`, `/v2/${app.projectId}/messages:send`]) {
      const { answer, body, record } = await send({ token: [token], ...DATA }, { path });
      assert.equal(answer.status, 200);
      assert.equal(body.code, '80000000');
      assert.equal(body.msg, 'Success');
      assert.match(body.requestId, /^\d+006$/);
      assert.equal(record.target, token);
    }
  });

  test('a notification, a topic, a condition', async () => {
    const notification = { title: 'Hi', body: 'there' };
    const android = {
      collapse_key: -1,
      urgency: 'HIGH',
      ttl: '1296000s',
      notification: { click_action: { type: 3 }, style: 1, importance: 'NORMAL' },
    };
    for (const target of [
      { token: [token] },
      { topic: 'news' },
      { condition: "'a' in topics || 'b' in topics" },
    ]) {
      assert.equal((await send({ ...target, notification, android })).body.code, '80000000');
    }
  });

  test('a thousand tokens, the same one twice among them', async () => {
    assert.equal((await send({ token: Array(1000).fill(token), ...DATA })).body.code, '80000000');
  });

  test('a trial without looking at tokens', async () => {
    const { body } = await send({ token: ['x'], ...DATA }, { validate_only: true });
    assert.equal(body.code, '80000000');
  });
});

suite('tokens that no message reaches', () => {
  test('some: the list is JSON in a text, and nothing is refused', async () => {
    const gone = tokens.create(app);
    tokens.unregister(gone);
    const { answer, body, refusal } = await send({ token: [token, gone, 'xxx', token], ...DATA });
    assert.equal(answer.status, 200);
    assert.equal(body.code, '80100000');
    assert.equal(typeof body.msg, 'string');
    assert.deepEqual(JSON.parse(body.msg), { success: 2, failure: 2, illegal_tokens: [gone, 'xxx'] });
    assert.equal(refusal, undefined);
  });

  test('all', async () => {
    const { body } = await send({ token: ['xxx'], ...DATA });
    assert.deepEqual([body.code, body.msg], ['80300007', 'All the tokens are invalid']);
  });

  test("another app's: not by v1, and by v2 if it is of the same project", async () => {
    const sibling = huawei.createApp({ projectId: app.projectId });
    const foreign = tokens.create(sibling);
    assert.equal((await send({ token: [foreign], ...DATA })).body.code, '80300007');
    const path = `/v2/${app.projectId}/messages:send`;
    assert.equal((await send({ token: [foreign], ...DATA }, { path })).body.code, '80000000');
  });
});

suite('who may send', () => {
  test('nobody without a token, with an unknown one or with that of another app', async () => {
    const other = huawei.createApp();
    for (const bearer of ['', 'x', huawei.tokens.issue(other).token]) {
      assert.equal((await send({ token: [token], ...DATA }, { bearer })).body.code, '80200001');
    }
  });

  test('nobody with one that has expired: at 200, or at 401 when told so', async () => {
    huawei.tokens.expireAll();
    const first = await send({ token: [token], ...DATA });
    assert.deepEqual([first.answer.status, first.body.code], [200, '80200003']);
    answersErrorsAt200 = false;
    const second = await send({ token: [token], ...DATA });
    assert.deepEqual([second.answer.status, second.body.code], [401, '80200003']);
  });
});

suite('what Push Kit does not allow in a message', () => {
  const cases: [what: string, message: () => object, code: string][] = [
    ['nothing at all', () => ({}), '80300010'],
    ['no target', () => DATA, '80300010'],
    ['no token', () => ({ token: [], ...DATA }), '80300010'],
    ['1001 tokens', () => ({ token: Array(1001).fill(token), ...DATA }), '80300010'],
    ['a token that is a text', () => ({ token, ...DATA }), '80300010'],
    ['two targets', () => ({ token: [token], topic: 'x', ...DATA }), '80100001'],
    ['a topic with a slash', () => ({ topic: '/topics/x', ...DATA }), '80100001'],
    ['a broken condition', () => ({ condition: "'a' in topics &&", ...DATA }), '80100001'],
    ['no content', () => ({ token: [token] }), '80100003'],
    ['data that is an object', () => ({ token: [token], data: { a: '1' } }), '80100001'],
    [
      'a collapse key over 100',
      () => ({ token: [token], ...DATA, android: { collapse_key: 101 } }),
      '80100013',
    ],
    ['more than 15 days', () => ({ token: [token], ...DATA, android: { ttl: '1296001s' } }), '80100001'],
    ['an unknown urgency', () => ({ token: [token], ...DATA, android: { urgency: 'low' } }), '80100001'],
    [
      'a notification that no click is said of',
      () => ({ token: [token], android: { notification: { title: 'a', body: 'b' } } }),
      '80100001',
    ],
    [
      'a notification without a title',
      () => ({ token: [token], android: { notification: { body: 'b', click_action: { type: 3 } } } }),
      '80100001',
    ],
    ['over 4096 bytes', () => ({ token: [token], data: 'x'.repeat(4096) }), '80300008'],
  ];
  for (const [what, message, code] of cases) {
    test(`${what}: ${code}`, async () => {
      const { answer, body, refusal } = await send(message());
      assert.equal(answer.status, 200);
      assert.equal(body.code, code);
      assert.match(refusal ?? '', new RegExp(`^${code} `));
      answersErrorsAt200 = false;
      assert.equal((await send(message())).answer.status, 400);
    });
  }

  test('tokens do not count as bytes', async () => {
    const many = Array.from({ length: 100 }, () => token);
    assert.equal((await send({ token: many, data: 'x'.repeat(4000) })).body.code, '80000000');
  });

  test('a body that is no JSON', async () => {
    const headers = { authorization: `Bearer ${accessToken}` };
    const { body } = await ask(service, `/v1/${app.clientId}/messages:send`, { headers, body: '{' });
    assert.equal(body.code, '80100003');
  });
});

test('errors on request: a code at 200 or any other status, and flow control without JSON', () => {
  const code = (fault: { reason?: string; status?: number }) => {
    const answer = service.errorAnswer(fault);
    return [answer?.status, answer?.body ? JSON.parse(String(answer.body)).code : ''];
  };
  assert.deepEqual(code({ reason: '80200003' }), [200, '80200003']);
  assert.deepEqual(code({ reason: '80200003', status: 401 }), [401, '80200003']);
  assert.deepEqual(code({ reason: '81000001' }), [200, '81000001']);
  assert.deepEqual(code({ status: 503 }), [503, '']);
  assert.deepEqual(code({ status: 500 }), [500, '']);
  assert.equal(service.errorAnswer({ reason: '12345' }), undefined);
});
