import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { Api, ApiError, NetworkError } from '../src/api/api.ts';

suite('the REST client', () => {
  let requests: { path: string; method: string; csrf: string | null; headers: string[] }[];
  let answers: (() => Response)[];
  let api: Api;

  beforeEach(() => {
    requests = [];
    answers = [];
    api = new Api();
    mock.method(globalThis, 'fetch', async (path: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      requests.push({
        path,
        method: init.method ?? 'GET',
        csrf: headers.get('X-CSRFToken'),
        headers: [...headers.keys()],
      });
      const answer = answers.shift();
      assert.ok(answer, `unexpected ${path}`);
      return answer();
    });
  });
  afterEach(() => mock.reset());

  const json = (status: number, body: object, csrf?: string) => () =>
    Response.json(body, { status, ...(csrf && { headers: { 'X-CSRFToken': csrf } }) });

  test('the first POST fetches a CSRF token, later ones use the newest that came', async () => {
    answers = [json(200, {}, 't1'), json(200, { id: 1 }, 't2'), json(200, {})];
    await api.login('ann', 'secret');
    await api.read(1, 2);
    assert.deepEqual(
      requests.map(({ path, csrf }) => [path, csrf]),
      [
        ['/api/csrf/', null],
        ['/api/login/', 't1'],
        ['/api/rooms/1/read/', 't2'],
      ],
    );
  });

  test('a token that another tab has made stale is fetched anew, and the request repeated once', async () => {
    const stale = json(403, { detail: 'CSRF token missing or wrong', code: 'csrf' });
    answers = [json(200, {}, 't1'), stale, json(200, {}, 't2'), json(200, { unread_count: 0 })];
    await api.read(1, 2);
    assert.deepEqual(
      requests.map(({ csrf }) => csrf),
      [null, 't1', null, 't2'],
    );
    answers = [stale, json(200, {}, 't3'), stale];
    await assert.rejects(api.read(1, 2), { name: 'ApiError', code: 'csrf' });
  });

  test('F10: requests carry no Authorization header', async () => {
    answers = [json(200, {})];
    await api.rooms();
    assert.deepEqual(requests[0]?.headers, []);
  });

  test('F11: an error has the words of the server, and the field', async () => {
    answers = [json(200, {}, 't1'), json(400, { detail: 'invalid credentials' })];
    await assert.rejects(api.login('ann', 'wrong'), { message: 'invalid credentials', status: 400 });
    answers = [json(409, { message: 'already a member' })];
    await assert.rejects(api.join(1), { message: 'already a member', status: 409 });
    answers = [json(400, { detail: 'name: too long', field: 'name' })];
    await assert.rejects(api.createRoom('x'), { field: 'name' });
  });

  test('F14: a reply that says that nobody is signed in is told, from a token view, too', async () => {
    let told = 0;
    api.onSignedOut = () => {
      told += 1;
    };
    for (const [status, call] of [
      [403, () => api.rooms()],
      [401, () => api.connectionToken()],
    ] as const) {
      answers = [json(status, { detail: 'sign in first', code: 'signed_out' })];
      await assert.rejects(call(), ApiError);
    }
    answers = [json(403, { detail: 'channel: only personal:1 is yours', field: 'channel' })];
    await assert.rejects(api.subscriptionToken('personal:2'), ApiError);
    assert.equal(told, 2);
  });

  test('no answer, or one of somebody between us and the server, is a network error', async () => {
    const nobody = () => {
      throw new TypeError('fetch failed');
    };
    const proxy = () => new Response('<h1>502 Bad Gateway</h1>', { status: 502 });
    for (const answer of [nobody, proxy]) {
      answers = [answer];
      await assert.rejects(api.rooms(), NetworkError);
    }
  });
});
