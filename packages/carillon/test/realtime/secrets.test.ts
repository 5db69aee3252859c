import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import type { Logger } from '../../src/logger.ts';
import { Application } from '../support/application.ts';
import { RawClient, startRealtime } from '../support/realtime.ts';

const HUSH = 'hush-hush';

test('neither tokens nor what backends answer nor addresses with secrets come into the log', async (t) => {
  const application = await Application.start();
  t.after(() => application.close());
  const lines: string[] = [];
  const write = (fields: object, message: string) => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.stack : value))}`,
    );
  };
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const server = await startRealtime({
    logger,
    client: {
      proxy: { connect: { enabled: true, endpoint: `${application.url}/connect?key=${HUSH}` } },
      subscription_token: { enabled: true, jwks_public_endpoint: `${application.url}/keys?key=${HUSH}` },
    },
    channel: {
      proxy: { subscribe: { endpoint: `${application.url}/subscribe?key=${HUSH}`, timeout: '1s' } },
      namespaces: [{ name: 'asked', subscribe_proxy_enabled: true }],
    },
  });
  t.after(() => server.close());
  application.answer(`/connect?key=${HUSH}`, (response) => response.end(`<html>${HUSH}`));
  application.answer(`/subscribe?key=${HUSH}`, { result: { info: HUSH, expire_at: HUSH } });
  const forged = await new SignJWT({ sub: HUSH })
    .setProtectedHeader({ alg: 'HS256', kid: 'a key' })
    .sign(new TextEncoder().encode('another secret'));
  const bad = await RawClient.open(server.url);
  bad.send({ id: 1, connect: { token: forged } });
  assert.equal((await bad.closed()).code, 3500);
  const nobody = await RawClient.open(server.url);
  nobody.send({ id: 1, connect: { data: HUSH } });
  assert.equal(((await nobody.next()).error as { code: number }).code, 100);
  nobody.socket.close();
  const client = await RawClient.connected(server.url);
  client.send({ id: 2, subscribe: { channel: 'asked:a', data: HUSH } });
  assert.equal(((await client.next()).error as { code: number }).code, 100);
  client.send({ id: 3, subscribe: { channel: 'asked:a', token: forged } });
  await client.next();
  client.socket.close();
  assert.ok(lines.length >= 4, lines.join('\n'));
  for (const line of lines) {
    assert.ok(!line.includes(HUSH), line);
    for (const part of forged.split('.')) assert.ok(!line.includes(part), line);
  }
});
