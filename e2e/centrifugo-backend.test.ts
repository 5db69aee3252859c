import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { ServiceError } from '@grpc/grpc-js';
import { SignJWT } from 'jose';
import { Application } from '../packages/carillon/test/support/application.ts';
import { GrpcClient } from '../packages/carillon/test/support/grpc.ts';
import { RawClient } from '../packages/carillon/test/support/realtime.ts';
import { startServer, type TestServer } from '../packages/carillon/test/support/server.ts';
import { freePort } from '../scripts/setup/free-ports.ts';
import { BACKEND_TALKS, GRPC_CALLS, json } from './support/backend-talks.ts';
import { type Centrifugo, startCentrifugo, withoutCentrifugo } from './support/centrifugo.ts';

const KEY = 'the-key';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const now = () => Math.floor(Date.now() / 1000);

const TOKENS: [alg: string, key: KeyObject, claims: { sub: string; [claim: string]: unknown }][] = [
  ['RS256', rsa.privateKey, { sub: 'good' }],
  ['RS512', rsa.privateKey, { sub: 'good' }],
  ['ES256', ec.privateKey, { sub: 'good' }],
  ['RS256', other.privateKey, { sub: 'another key' }],
  ['PS256', rsa.privateKey, { sub: 'another padding' }],
  ['RS256', rsa.privateKey, { sub: 'expired', exp: now() - 1 }],
  ['RS256', rsa.privateKey, { sub: 'early', nbf: now() + 600 }],
  ['RS256', rsa.privateKey, { sub: 'a channel', channel: 'news:a' }],
  ['RS256', rsa.privateKey, { sub: 'no namespace', channels: ['nope:a'] }],
  ['RS256', rsa.privateKey, { sub: 'over', expire_at: now() - 1 }],
  ['RS256', rsa.privateKey, { sub: 'infos', subs: { 'news:s': { info: 1, data: [2] } } }],
];
/** One server, the backend that it asks, and how to reach it. */
interface Side {
  readonly application: Application;
  readonly websocket: string;
  readonly grpc: string;
}

function configuration(application: string, grpcPort: number): object {
  const proxy = (name: string, more: object = {}) => ({ endpoint: `${application}/${name}`, ...more });
  return {
    http_api: { key: KEY },
    grpc_api: { enabled: true, address: '127.0.0.1', port: grpcPort, key: KEY },
    client: {
      token: { rsa_public_key: pem(rsa.publicKey), ecdsa_public_key: pem(ec.publicKey) },
      proxy: {
        connect: {
          enabled: true,
          ...proxy('connect', {
            http_headers: ['Cookie', 'X-Both'],
            emulated_headers: ['Authorization', 'X-Both'],
            http: {
              static_headers: { 'X-Static': 's' },
              status_to_code_transforms: [
                { status_code: 403, to_error: { code: 403, message: 'no' } },
                { status_code: 404, to_disconnect: { code: 4504, reason: 'gone' } },
              ],
            },
          }),
        },
      },
    },
    channel: {
      proxy: { subscribe: proxy('subscribe'), publish: proxy('publish'), sub_refresh: proxy('sub_refresh') },
      namespaces: [
        {
          name: 'news',
          history_size: 10,
          history_ttl: '60s',
          presence: true,
          allow_subscribe_for_client: true,
        },
        { name: 'plain' },
        { name: 'limited', allow_user_limited_channels: true },
        { name: 'asked', subscribe_proxy_enabled: true, allow_user_limited_channels: true, presence: true },
        { name: 'said', publish_proxy_enabled: true, allow_subscribe_for_client: true },
        { name: 'coded', subscribe_proxy_enabled: true, subscribe_proxy_name: 'coded' },
      ],
    },
    rpc: {
      proxy: proxy('rpc', { include_connection_meta: true }),
      without_namespace: { proxy_enabled: true },
      namespaces: [{ name: 'off' }, { name: 'on', proxy_enabled: true }],
      ping: { enabled: true },
    },
    proxies: [proxy('coded', { name: 'coded', binary_encoding: true, include_connection_meta: true })],
  };
}

suite('what a backend sees of Carillon and of Centrifugo', { skip: withoutCentrifugo }, () => {
  let centrifugo: Centrifugo;
  let carillon: TestServer;
  let folder: string;
  let sides: Side[];
  before(async () => {
    const applications = [await Application.start(), await Application.start()] as const;
    folder = await mkdtemp(join(tmpdir(), 'backend-'));
    const file = join(folder, 'config.json');
    const grpcPort = await freePort();
    await writeFile(file, JSON.stringify(configuration(applications[0].url, grpcPort)));
    centrifugo = await startCentrifugo({ file, port: await freePort() });
    carillon = await startServer(configuration(applications[1].url, 0));
    const socket = (url: string) => `${url.replace('http', 'ws')}/connection/websocket`;
    sides = [
      {
        application: applications[0],
        websocket: socket(centrifugo.url),
        grpc: `127.0.0.1:${grpcPort}`,
      },
      {
        application: applications[1],
        websocket: socket(carillon.carillon.url),
        grpc: `127.0.0.1:${carillon.carillon.grpcPort}`,
      },
    ];
  });
  after(async () => {
    await carillon?.close();
    await centrifugo?.close();
    await Promise.all((sides ?? []).map(({ application }) => application.close()));
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs the same on both, and holds what came of it side by side. */
  async function same(run: (side: Side) => Promise<unknown>): Promise<void> {
    const [theirs, ours] = await Promise.all(sides.map(run));
    assert.deepEqual(ours, theirs);
  }

  test('the same over gRPC: results, errors, batches, bytes', async () => {
    await same(async ({ grpc }) => {
      const client = new GrpcClient(grpc, { authorization: `apikey ${KEY}` });
      const strict = new GrpcClient(grpc, {
        authorization: `apikey ${KEY}`,
        'x-centrifugo-error-mode': 'transport',
      });
      const seen: unknown[] = [];
      for (const [method, request] of GRPC_CALLS) {
        seen.push([method, plain(await client.call(method, request))]);
        seen.push(
          await strict.call(method, request).then(
            (reply) => plain(reply),
            ({ code }: ServiceError) => `status ${code}`,
          ),
        );
      }
      const stranger = new GrpcClient(grpc, { authorization: 'apikey wrong' });
      seen.push(await stranger.call('info', {}).catch(({ code }: ServiceError) => `status ${code}`));
      for (const one of [client, strict, stranger]) one.close();
      return seen;
    });
  });

  test('the same over gRPC with a client that is there', async () => {
    await same(async ({ grpc, websocket }) => {
      const client = new GrpcClient(grpc, { authorization: `apikey ${KEY}` });
      const live = await connected(websocket, { sub: '42', info: { name: 'Ann' } });
      const seen: unknown[] = [];
      const call = async (method: string, request: object) =>
        seen.push(plain(await client.call(method, request)));
      await call('subscribe', {
        user: '42',
        channel: 'news:live',
        info: json({ i: 1 }),
        data: json({ d: 1 }),
        override: { force_recovery: { value: true } },
      });
      seen.push(plain(await live.next()));
      await call('presence', { channel: 'news:live' });
      await call('presence_stats', { channel: 'news:live' });
      await call('channels', { pattern: 'news:l*' });
      await call('publish', { channel: 'news:live', data: json({ x: 1 }), tags: { t: '1' } });
      seen.push(plain(await live.next()));
      await call('unsubscribe', { user: '42', channel: 'news:live' });
      seen.push(plain(await live.next()));
      await call('disconnect', { user: '42', disconnect: { code: 4_000, reason: 'bye' } });
      seen.push(await live.closed());
      client.close();
      return seen;
    });
  });

  for (const [what, answers, commands] of BACKEND_TALKS) {
    test(`the same questions to the backend, and the same to the client: ${what}`, async () => {
      await same(async ({ application, websocket }) => {
        application.questions.length = 0;
        for (const [path, answer] of Object.entries(answers)) application.answer(`/${path}`, answer);
        const client = await RawClient.open(websocket, { cookie: 'a=b', 'x-both': 'real', 'x-other': 'o' });
        const seen: unknown[] = [];
        const closed = client.closed();
        for (const [index, command] of commands.entries()) {
          client.send({ id: index + 1, ...command });
          const reply = await Promise.race([client.next(), closed]);
          seen.push(plain(reply));
          if (!('id' in reply)) break;
        }
        client.socket.close();
        const questions = application.questions.map(({ path, body, headers }) => ({
          path,
          body: plain(body),
          headers: ['cookie', 'x-both', 'x-other', 'x-static', 'authorization', 'content-type'].map(
            (name) => headers[name],
          ),
        }));
        return { seen, questions };
      });
    });
  }

  test('the same outcome of tokens by RSA and ECDSA, good and bad', async () => {
    await same(async ({ websocket }) => {
      const seen: unknown[] = [];
      for (const [alg, key, claims] of TOKENS) {
        const client = await RawClient.open(websocket);
        client.send({ id: 1, connect: { token: await sign(claims, alg, key) } });
        const outcome = await Promise.race([client.next(), client.closed()]);
        seen.push([alg, claims.sub, plain(outcome)]);
        client.socket.close();
      }
      return seen;
    });
  });
});

function sign(claims: Record<string, unknown>, alg: string, key: KeyObject): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(key);
}

async function connected(url: string, claims: Record<string, unknown>): Promise<RawClient> {
  const client = await RawClient.open(url);
  client.send({ id: 1, connect: { token: await sign(claims, 'RS256', rsa.privateKey) } });
  await client.next();
  return client;
}

/** Without what two servers cannot agree in: ids, epochs, versions, and words of errors behind Centrifugo's own. */
function plain(value: unknown, name = ''): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (name === 'epoch' || name === 'client' || name === 'version' || name === 'node') return `some ${name}`;
  if (name === 'message' && typeof value === 'string') return value.split(':')[0];
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      /^[0-9a-f-]{36}$/.test(key) ? 'some id' : key,
      plain(member, key),
    ]),
  );
}
