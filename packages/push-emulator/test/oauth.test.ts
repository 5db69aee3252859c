import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { beforeEach, suite, test } from 'node:test';
import { GoogleAccounts } from '../src/oauth/google.ts';
import { HuaweiApps } from '../src/oauth/huawei.ts';
import { createOAuthService } from '../src/oauth/service.ts';
import type { Service } from '../src/service.ts';
import { ask, signJwt } from './vendor-support.ts';

const TOKEN_URL = 'http://127.0.0.1:8090/token';
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';

let clock: number;
let google: GoogleAccounts;
let huawei: HuaweiApps;
let service: Service;

beforeEach(() => {
  clock = Date.now();
  google = new GoogleAccounts({ tokenUrl: () => TOKEN_URL, now: () => clock });
  huawei = new HuaweiApps({ now: () => clock });
  service = createOAuthService({ google, huawei });
});

const form = (fields: Record<string, string>) => String(new URLSearchParams(fields));

suite("Google's token endpoint", () => {
  let file: { client_email: string; private_key: string; token_uri: string; project_id: string };
  beforeEach(() => {
    file = JSON.parse(google.serviceAccount({ projectId: 'my-project' }));
  });

  function assertion(
    changes: Record<string, unknown> = {},
    { header = {}, key = file.private_key } = {},
  ): string {
    const iat = Math.floor(clock / 1000);
    const claims = { iss: file.client_email, scope: SCOPE, aud: TOKEN_URL, iat, exp: iat + 3600, ...changes };
    return signJwt({ alg: 'RS256', typ: 'JWT', ...header }, claims, createPrivateKey(key));
  }
  const askToken = (jwt: string) =>
    ask(service, '/token', { body: form({ grant_type: GRANT_TYPE, assertion: jwt }) });

  test('gives an access token for an assertion that the key file signed', async () => {
    const { answer, body } = await askToken(assertion());
    assert.equal(answer.status, 200);
    assert.deepEqual(
      { ...body, access_token: '' },
      { access_token: '', expires_in: 3599, token_type: 'Bearer' },
    );
    assert.match(body.access_token, /^ya29\./);
    const grant = google.tokens.check(body.access_token);
    assert.equal(typeof grant === 'object' && grant.owner.project.id, 'my-project');
  });

  test('names itself in the key file', () => {
    assert.equal(file.token_uri, TOKEN_URL);
    assert.equal(file.project_id, 'my-project');
  });

  test("takes Google's own address as the audience, which its libraries sign for", async () => {
    const { answer } = await askToken(assertion({ aud: 'https://oauth2.googleapis.com/token' }));
    assert.equal(answer.status, 200);
  });

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const foreignKey = String(stranger.export({ type: 'pkcs8', format: 'pem' }));
  const short = /^Invalid JWT: Token must be a short-lived token/;
  const seconds = () => Math.floor(clock / 1000);
  const refusals: [what: string, jwt: () => string, error: string, description: RegExp][] = [
    [
      'the signature of another key',
      () => assertion({}, { key: foreignKey }),
      'invalid_grant',
      /^Invalid JWT Signature\.$/,
    ],
    [
      'another algorithm',
      () => assertion({}, { header: { alg: 'RS512' } }),
      'invalid_grant',
      /^Invalid JWT Signature\.$/,
    ],
    [
      'an account nobody made',
      () => assertion({ iss: 'x@y.iam.gserviceaccount.com' }),
      'invalid_grant',
      /account not found/,
    ],
    [
      'another audience',
      () => assertion({ aud: 'https://example.com/' }),
      'invalid_grant',
      /^Invalid JWT: Failed audience check\.$/,
    ],
    ['more than an hour', () => assertion({ exp: seconds() + 4000 }), 'invalid_grant', short],
    [
      'an end in the past',
      () => assertion({ iat: seconds() - 7200, exp: seconds() - 3600 }),
      'invalid_grant',
      short,
    ],
    [
      'a beginning in the future',
      () => assertion({ iat: seconds() + 900, exp: seconds() + 1800 }),
      'invalid_grant',
      short,
    ],
    ['no times', () => assertion({ iat: undefined, exp: undefined }), 'invalid_grant', short],
    ['no scope', () => assertion({ scope: undefined }), 'invalid_scope', /scope/],
    ['no JWT', () => 'abc', 'invalid_grant', /^Invalid JWT/],
  ];
  for (const [what, jwt, error, description] of refusals) {
    test(`refuses ${what} by 400 ${error}`, async () => {
      const { answer, body } = await askToken(jwt());
      assert.equal(answer.status, 400);
      assert.equal(body.error, error);
      assert.match(body.error_description, description);
    });
  }

  test('refuses another grant type', async () => {
    const { answer, body } = await ask(service, '/token', { body: form({ grant_type: 'password' }) });
    assert.equal(answer.status, 400);
    assert.equal(body.error, 'unsupported_grant_type');
  });

  test('ends a token after its time, which may be short, or at once on request', async () => {
    google.tokens.lifetimeSeconds = 5;
    const { body } = await askToken(assertion());
    assert.equal(body.expires_in, 5);
    assert.equal(typeof google.tokens.check(body.access_token), 'object');
    clock += 5000;
    assert.equal(google.tokens.check(body.access_token), 'expired');
    const { body: second } = await askToken(assertion());
    google.tokens.expireAll();
    assert.equal(google.tokens.check(second.access_token), 'expired');
    assert.equal(google.tokens.check('ya29.unknown'), 'unknown');
  });

  test('refuses a project ID that Google would not allow', () => {
    assert.throws(() => google.serviceAccount({ projectId: 'Üb' }), /projectId is "Üb": 6 to 30/);
  });
});

suite("Huawei's token endpoint", () => {
  test('gives an access token for client ID and secret, with slashes escaped', async () => {
    const app = huawei.createApp();
    const body = form({
      grant_type: 'client_credentials',
      client_id: app.clientId,
      client_secret: app.clientSecret,
    });
    const { answer, body: token } = await ask(service, '/oauth2/v3/token', { body });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      { ...token, access_token: '' },
      { access_token: '', expires_in: 3600, token_type: 'Bearer' },
    );
    assert.match(String(answer.body), /\\\//);
    const grant = huawei.tokens.check(token.access_token);
    assert.equal(typeof grant === 'object' && grant.owner, app);
  });

  test('refuses a wrong secret, an unknown client and another grant type', async () => {
    const { clientId } = huawei.createApp();
    for (const [fields, subError] of [
      [{ grant_type: 'client_credentials', client_id: clientId, client_secret: 'x' }, 20044],
      [{ grant_type: 'client_credentials', client_id: '1', client_secret: 'x' }, 20043],
      [{ grant_type: 'password' }, 20001],
    ] as const) {
      const { answer, body } = await ask(service, '/oauth2/v3/token', { body: form(fields) });
      assert.equal(answer.status, 400);
      assert.deepEqual(
        { ...body, error_description: '' },
        { error: 1101, sub_error: subError, error_description: '' },
      );
    }
  });
});

test('a fault is answered in the words of OAuth', () => {
  assert.deepEqual(JSON.parse(String(service.errorAnswer({ reason: 'invalid_grant' })?.body)), {
    error: 'invalid_grant',
    error_description: 'Invalid JWT Signature.',
  });
  assert.equal(service.errorAnswer({ status: 503 })?.status, 503);
  assert.equal(service.errorAnswer({ reason: 'nonsense' }), undefined);
});
