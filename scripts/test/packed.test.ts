import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { createECDH, type ECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { npm, PACKAGES, pack } from '../pack/pack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MODULES = join(ROOT, 'node_modules');
const run = promisify(execFile);
/** No types are published for http_ece. */
const { decrypt } = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, params: { version: string; privateKey: ECDH; authSecret: string }): Buffer;
};

/** A page and a service worker; not a file of its own, as the checkout is checked without the browser's types. */
const PAGE = `
import { deviceFrom, ensureSubscription, pushSupport, subscribe } from '@carillon/push-client';
import { handleClick, handlePush, mergeByTag } from '@carillon/push-client/worker';

export async function ring(vapidPublicKey: string): Promise<string> {
  const options = { vapidPublicKey, serviceWorkerUrl: '/sw.js' };
  const subscription = (await ensureSubscription(options)) ?? (await subscribe(options));
  return pushSupport().reason + deviceFrom(subscription).token;
}
export const handlers = [handlePush({ merge: mergeByTag() }), handleClick()];
`;

suite('the packed packages, installed by a stranger', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const children: Child[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-packed-'));
    const tarballs: string[] = [];
    for (const source of PACKAGES) tarballs.push(await pack(source, join(folder, 'tarballs')));
    await cp(join(import.meta.dirname, 'consumer'), folder, { recursive: true });
    await writeFile(join(folder, 'page.ts'), PAGE);
    await writeFile(join(folder, 'package.json'), '{"private": true, "type": "module"}');
    await npm(
      ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', ...tarballs],
      folder,
    );
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|CARILLON_)/i.test(name));
    env = {
      ...Object.fromEntries(own),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
      CARILLON_DATA_DIR: join(folder, 'data'),
    };
  });

  after(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });

  const start = (command: string, ...args: string[]) => {
    const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return { child, lines: createInterface({ input: child.stdout }) };
  };
  const installed = (name: string) => join(folder, 'node_modules', '.bin', name);

  test('have what is compiled, and no sources or tests', async () => {
    for (const [name, parts] of [
      ['carillon', ['LICENSE', 'README.md', 'bin', 'dist', 'package.json']],
      ['push-emulator', ['LICENSE', 'README.md', 'bin', 'dist', 'examples', 'package.json', 'page.png']],
      ['@carillon/push-client', ['LICENSE', 'README.md', 'dist', 'package.json']],
    ] as const) {
      const place = join(folder, 'node_modules', name);
      const entries = await readdir(place, { recursive: true });
      assert.deepEqual(
        entries.filter((entry) => !/[/\\]|^node_modules$/.test(entry)).sort(),
        [...parts].sort(),
      );
      const sources = entries.filter((entry) => entry.startsWith('dist') && /(?<!\.d)\.ts$/.test(entry));
      assert.deepEqual(sources, []);
    }
  });

  test('are not packed as they are in the checkout', async () => {
    for (const source of PACKAGES) {
      await assert.rejects(npm(['pack', '--dry-run'], source), /is packed compiled: npm run tarball -w \S/);
    }
  });

  test('show their help with npx', async () => {
    const carillon = await run('npx', ['--no-install', 'carillon', '--help'], { cwd: folder, env });
    assert.match(carillon.stdout, /carillon serve/);
    const emulator = await run('npx', ['--no-install', 'push-emulator', '--help'], { cwd: folder, env });
    assert.match(emulator.stdout, /^push-emulator [\s\S]*--port/);
  });

  test('have declarations that a strict compiler accepts, theirs included', async () => {
    const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2025', skipLibCheck: false };
    const project = async (name: string, files: string[], extra: object) => {
      const compilerOptions = { ...options, typeRoots: [join(folder, 'types')], ...extra };
      await writeFile(join(folder, name), JSON.stringify({ compilerOptions, files }));
      await run(process.execPath, [join(MODULES, 'typescript', 'bin', 'tsc'), '-p', name], { cwd: folder });
    };
    await cp(join(MODULES, '@types', 'node'), join(folder, 'types', 'node'), { recursive: true });
    // Beside the types that need it: what the packages brought along may be of another version.
    await mkdir(join(folder, 'types', 'node_modules'));
    await symlink(
      join(MODULES, 'undici-types'),
      join(folder, 'types', 'node_modules', 'undici-types'),
      'junction',
    );
    await project('server.json', ['embed.ts', 'ring.ts'], { types: ['node'], lib: ['es2025'] });
    await project('page.json', ['page.ts'], { types: [], lib: ['es2025', 'dom', 'dom.iterable'] });
  });

  test('run in a program', async () => {
    const { stdout } = await run(process.execPath, ['embed.ts'], { cwd: folder, env });
    assert.match(stdout, /^http_server\.port is -1/);
  });

  test('push-emulator serves', async () => {
    const ports = ['--port', '--https-port', '--apns-port', '--mcs-port'];
    const { child, lines } = start(installed('push-emulator'), ...ports.flatMap((port) => [port, '0']));
    for await (const line of lines) {
      const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (!origin) continue;
      assert.equal((await fetch(`${origin}/control/messages`)).status, 200);
      break;
    }
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test('carillon serves on its embedded database, and a push goes through its sender thread to the emulator', async () => {
    const emulator = start(process.execPath, 'ring.ts');
    const told = emulator.lines[Symbol.asyncIterator]();
    const { origin, endpoint } = await nextJson(told);
    const config = {
      http_server: { port: 0 },
      health: { enabled: true },
      push_notifications: {
        enabled: true,
        enabled_providers: ['webpush'],
        webpush: { subject: 'mailto:ops@example.com', insecure_endpoint_origins: [origin] },
      },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const carillon = start(installed('carillon'), 'serve', '--config', 'config.json');
    const url = await servedAt(carillon.lines);
    assert.equal((await fetch(`${url}/health`)).status, 200);

    const secrets = JSON.parse(await readFile(join(folder, 'data', 'secrets.json'), 'utf8'));
    const browser = createECDH('prime256v1');
    const keys = { p256dh: browser.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') };
    const registered = await fetch(`${url}/api/device_register`, {
      method: 'POST',
      headers: { 'X-API-Key': secrets.apiKey },
      body: JSON.stringify({
        provider: 'webpush',
        platform: 'web',
        topics: ['news'],
        token: JSON.stringify({ endpoint, keys }),
      }),
    });
    assert.match(await registered.text(), /"id":"webpush-/);
    await run(installed('carillon'), ['send', '--topic', 'news', '--title', 'Hello', '--url', url], {
      cwd: folder,
      env,
    });
    const push = await nextJson(told);
    assert.equal(push.status, 201);
    const body = decrypt(Buffer.from(push.body ?? '', 'base64'), {
      version: 'aes128gcm',
      privateKey: browser,
      authSecret: keys.auth,
    });
    assert.deepEqual(JSON.parse(String(body)), { web_push: 8030, notification: { title: 'Hello' } });

    carillon.child.kill('SIGTERM');
    assert.deepEqual(await once(carillon.child, 'exit'), [0, null]);
  });
});

type Child = ChildProcessByStdio<null, Readable, null>;

async function nextJson(lines: AsyncIterator<string>): Promise<Record<string, string>> {
  const { value, done } = await lines.next();
  assert.ok(!done, 'it ended before it said what was asked');
  return JSON.parse(value);
}

/** Reads the log until the server says where it is. */
async function servedAt(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url) return url;
  }
  throw new Error('carillon ended before it served');
}
