import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { connect } from 'node:tls';
import { createAuthority, openAuthority } from '../src/certificates/authority.ts';
import { oid } from '../src/certificates/der.ts';
import { startPushEmulator } from '../src/index.ts';

suite('certificates', () => {
  test('the authority may sign, the server may not, and names and addresses are in it', () => {
    const authority = createAuthority();
    const ca = new X509Certificate(authority.certificate);
    const server = new X509Certificate(
      authority.issue(['*.google.com', '127.0.0.1', '::1', 'fe80::1:2']).cert,
    );
    assert.deepEqual([ca.ca, server.ca], [true, false]);
    assert.ok(ca.verify(ca.publicKey) && server.verify(ca.publicKey));
    assert.ok(server.checkIssued(ca));
    assert.ok(server.checkHost('jmt17.google.com'));
    assert.ok(!server.checkHost('google.com.example.com'));
    for (const address of ['127.0.0.1', '::1', 'fe80::1:2']) assert.ok(server.checkIP(address), address);
    const now = new Date();
    assert.ok(server.validFromDate < now && now < server.validToDate);
    assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  });

  test('object identifiers with long arcs are written in septets', () => {
    assert.equal(oid('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
  });
});

suite('a folder that keeps the authority', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'authority-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('gives the same one again, and its key to its owner alone', async () => {
    const first = await openAuthority(join(folder, 'new'));
    const again = await openAuthority(join(folder, 'new'));
    assert.equal(again.certificate, first.certificate);
    const server = new X509Certificate(again.issue(['localhost']).cert);
    assert.ok(server.verify(new X509Certificate(first.certificate).publicKey));
    assert.equal((await stat(join(folder, 'new', 'ca-key.pem'))).mode & 0o777, 0o600);
  });

  test('is refused in words when half of it is missing, does not fit or cannot be read', async () => {
    await openAuthority(folder);
    await writeFile(join(folder, 'ca-key.pem'), createAuthority().key);
    await assert.rejects(openAuthority(folder), /ca-key\.pem is not the key of ca\.pem/);
    await writeFile(join(folder, 'ca-key.pem'), 'nonsense');
    await assert.rejects(openAuthority(folder), /cannot be read/);
    await rm(join(folder, 'ca-key.pem'));
    await assert.rejects(openAuthority(folder), /only one of ca\.pem and ca-key\.pem/);
  });

  test('is what the emulator goes by, and where its CA file is', async () => {
    const emulator = await startPushEmulator({ dataDir: folder });
    assert.equal(await emulator.caFile(), join(folder, 'ca.pem'));
    await emulator.close();
    assert.equal(await readFile(join(folder, 'ca.pem'), 'utf8'), emulator.ca);
    const next = await startPushEmulator({ dataDir: folder });
    assert.equal(next.ca, emulator.ca);
    await next.close();
  });
});

suite('the emulator over TLS', () => {
  test('is trusted by whoever trusts its authority, under the names of the vendors, with the key it tells', async () => {
    const emulator = await startPushEmulator();
    for (const url of [emulator.httpsUrl, emulator.apnsUrl, emulator.mcsUrl]) {
      for (const servername of [
        'fcm.googleapis.com',
        'jmt17.google.com',
        'api.push.apple.com',
        'localhost',
      ]) {
        const socket = connect({
          host: '127.0.0.1',
          port: Number(new URL(url).port),
          servername,
          ca: emulator.ca,
          ALPNProtocols: ['h2'],
        });
        await once(socket, 'secureConnect');
        const spki = socket.getPeerX509Certificate()!.publicKey.export({ type: 'spki', format: 'der' });
        assert.equal(createHash('sha256').update(spki).digest('base64'), emulator.spkiHash);
        socket.destroy();
      }
    }
    await emulator.close();
  });

  test('has its CA in a file for as long as it runs', async () => {
    const emulator = await startPushEmulator();
    const file = await emulator.caFile();
    assert.equal(await emulator.caFile(), file);
    assert.equal(await readFile(file, 'utf8'), emulator.ca);
    await emulator.close();
    await assert.rejects(access(file), { code: 'ENOENT' });
  });
});
