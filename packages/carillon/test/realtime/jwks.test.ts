import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import type { TokenOptions } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/load.ts';
import { Jwks, KeysUnavailableError } from '../../src/realtime/jwks.ts';
import { TokenVerifier } from '../../src/realtime/tokens.ts';
import { RawClient, SECRET, silent, startRealtime, token } from '../support/realtime.ts';
import { until } from '../support/until.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

function jwk(key: KeyObject, kid: string, more: object = {}): object {
  return { ...key.export({ format: 'jwk' }), kid, ...more };
}

/** An endpoint that gives out `keys` and counts how often it was asked. */
async function startEndpoint(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const sets = (keys: () => unknown[]) => (_request: IncomingMessage, response: ServerResponse) =>
  response.end(JSON.stringify({ keys: keys() }));

function verifier(options: Partial<TokenOptions>): TokenVerifier {
  return new TokenVerifier(resolveConfig({ client: { token: options } }).config.client.token, silent);
}

function sign(sub: string, alg: string, kid: string, key: KeyObject | Uint8Array): Promise<string> {
  return new SignJWT({ sub }).setProtectedHeader({ alg, kid }).sign(key);
}

suite('keys of an endpoint', () => {
  test('verify tokens by RSA, ECDSA and Ed25519, are fetched once, and nothing else counts beside them', async (t) => {
    const endpoint = await startEndpoint(
      t,
      sets(() => [
        jwk(rsa.publicKey, 'r', { use: 'sig', alg: 'RS256' }),
        jwk(ec.publicKey, 'e'),
        jwk(ed.publicKey, 'd', { use: 'sig' }),
        jwk(rsa.publicKey, 'enc', { use: 'enc' }),
        { kty: 'oct', kid: 'o', k: Buffer.from(SECRET).toString('base64url') },
        'nonsense',
      ]),
    );
    const tokens = verifier({ jwks_public_endpoint: endpoint.url, hmac_secret_key: SECRET });
    const kind = async (jwt: Promise<string>) => (await tokens.verify(await jwt)).kind;
    assert.deepEqual(
      await Promise.all([
        kind(sign('1', 'RS256', 'r', rsa.privateKey)),
        kind(sign('1', 'ES256', 'e', ec.privateKey)),
        kind(sign('1', 'EdDSA', 'd', ed.privateKey)),
      ]),
      ['valid', 'valid', 'valid'],
    );
    assert.equal(await kind(sign('1', 'RS512', 'r', rsa.privateKey)), 'invalid', 'the key says RS256');
    assert.equal(await kind(sign('1', 'RS256', 'e', rsa.privateKey)), 'invalid', 'another kind of key');
    assert.equal(await kind(token({ sub: '1' })), 'invalid', 'no key id, and an HMAC');
    assert.equal(endpoint.asked.length, 1);
  });

  test('a key that was made meanwhile is found, and unknown ids cost one request in their interval, however many come', async (t) => {
    const keys = [jwk(rsa.publicKey, 'old')];
    const endpoint = await startEndpoint(
      t,
      sets(() => keys),
    );
    const set = new Jwks({ url: endpoint.url, logger: silent, interval: 100 });
    assert.ok(await set.key('old'));
    keys.push(jwk(ec.publicKey, 'new'));
    const started = performance.now();
    const found = await Promise.all([
      set.key('new'),
      ...Array.from({ length: 1_000 }, (_, n) => set.key(`forged ${n}`)),
    ]);
    assert.deepEqual(
      found.map((key) => key !== undefined),
      [true, ...Array(1_000).fill(false)],
    );
    assert.equal(endpoint.asked.length, 2);
    assert.ok(performance.now() - started > 50, 'and not before its time');
  });

  const faults: [what: string, answer: (request: IncomingMessage, response: ServerResponse) => void][] = [
    ['an error', (_request, response) => response.writeHead(503).end()],
    ['no JSON', (_request, response) => response.end('<html>')],
    ['no key set', (_request, response) => response.end('{"keys":1}')],
    ['more than it may', (_request, response) => response.end(`{"keys":["${'x'.repeat(300_000)}"]}`)],
    ['a broken connection', (request) => request.socket.destroy()],
  ];
  for (const [what, answer] of faults) {
    test(`an endpoint that answers ${what} leaves the token undecided`, async (t) => {
      const endpoint = await startEndpoint(t, answer);
      const set = new Jwks({ url: endpoint.url, logger: silent, interval: 0 });
      await assert.rejects(set.key('r'), KeysUnavailableError);
      const tokens = verifier({ jwks_public_endpoint: endpoint.url });
      assert.equal((await tokens.verify(await sign('1', 'RS256', 'r', rsa.privateKey))).kind, 'unavailable');
    });
  }

  test('known keys go on working while the endpoint is away', async (t) => {
    let isUp = true;
    const endpoint = await startEndpoint(t, (request, response) =>
      isUp ? sets(() => [jwk(rsa.publicKey, 'r')])(request, response) : response.writeHead(500).end(),
    );
    const set = new Jwks({ url: endpoint.url, logger: silent, interval: 0 });
    assert.ok(await set.key('r'));
    isUp = false;
    await assert.rejects(set.key('x'), KeysUnavailableError);
    assert.ok(await set.key('r'));
  });

  test('each tenant has its own, at the address that its issuer stands for', async (t) => {
    const endpoint = await startEndpoint(t, (request, response) =>
      response.end(
        JSON.stringify({ keys: [jwk(request.url === '/one' ? rsa.publicKey : ec.publicKey, 'same')] }),
      ),
    );
    const tokens = verifier({
      jwks_public_endpoint: `${endpoint.url}/{{tenant}}`,
      issuer_regex: '^https://(?P<tenant>one|two)\\.example$',
    });
    const of = async (tenant: string, alg: string, key: KeyObject) => {
      const jwt = await new SignJWT({ sub: '1', iss: `https://${tenant}.example` })
        .setProtectedHeader({ alg, kid: 'same' })
        .sign(key);
      return (await tokens.verify(jwt)).kind;
    };
    assert.equal(await of('one', 'RS256', rsa.privateKey), 'valid');
    assert.equal(await of('two', 'ES256', ec.privateKey), 'valid');
    assert.equal(await of('two', 'RS256', rsa.privateKey), 'invalid', 'one’s key is nothing to two');
    assert.equal(await of('../one', 'RS256', rsa.privateKey), 'invalid');
    assert.deepEqual(endpoint.asked, ['/one', '/two']);
  });
});

test('a client whose token cannot be judged now is told to come back, not turned away', async (t) => {
  const endpoint = await startEndpoint(t, (_request, response) => response.writeHead(503).end());
  const server = await startRealtime({ client: { token: { jwks_public_endpoint: endpoint.url } } });
  t.after(() => server.close());
  const client = await RawClient.open(server.url);
  client.send({ id: 1, connect: { token: await sign('1', 'RS256', 'r', rsa.privateKey) } });
  assert.deepEqual(await client.next(), {
    id: 1,
    error: { code: 100, message: 'internal server error', temporary: true },
  });
  client.socket.close();
});

test('a client that leaves while its token is looked at leaves nothing behind', async (t) => {
  const waiting: ServerResponse[] = [];
  let arrived = () => {};
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const endpoint = await startEndpoint(t, (_request, response) => {
    waiting.push(response);
    arrived();
  });
  const server = await startRealtime({ client: { token: { jwks_public_endpoint: endpoint.url } } });
  t.after(() => server.close());
  const jwt = await sign('1', 'RS256', 'r', rsa.privateKey);
  const gone = await RawClient.open(server.url);
  gone.send({ id: 1, connect: { token: jwt } });
  await asked;
  gone.socket.terminate();
  await gone.closed();
  const stays = await RawClient.open(server.url);
  stays.send({ id: 1, connect: { token: jwt } });
  for (const response of waiting) sets(() => [jwk(rsa.publicKey, 'r')])(null as never, response);
  assert.ok((await stays.next()).connect);
  await until(() => server.realtime.stats().clients === 1);
  stays.socket.close();
});
