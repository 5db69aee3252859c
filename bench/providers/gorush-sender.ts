/** gorush as its users run it: a server of its own, asked over HTTP. */
import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withoutGo } from '../../e2e/support/sdks.ts';
import { freePort } from '../../scripts/setup/free-ports.ts';
import { BODY, TITLE } from './carillon-sender.ts';
import { inCalls } from './library-senders.ts';
import type { ServerPlace } from './messages.ts';
import type { Sender } from './sender-process.ts';

/** It knows no other address of FCM than Google's, so its sink has to have that port. */
export const GORUSH_SINK_PORT = 443;
/** What `sendEach` takes, to which it hands each of its notifications over. */
const EACH = 500;
/** More than a worker a core, its default, make it a tenth faster here. */
const WORKERS = 8;
const REQUESTS = 16;
const START_TIMEOUT_MS = 20_000;
const ANDROID = 2;
/** Runs what follows with mounts of its own, and ends it with its parent. */
const ALONE = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount'];

/** Why it cannot be measured here; undefined when it can. */
export async function withoutGorush(): Promise<string | undefined> {
  if (withoutGo) return withoutGo;
  // Root in a container may not.
  const [command, ...args] = [...ALONE, 'true'];
  if (spawnSync(command as string, args).status !== 0)
    return 'needs Linux, and the right to a mount namespace (root), for a hosts file that leads fcm.googleapis.com to the sink';
  return (await isFree(GORUSH_SINK_PORT)) ? undefined : `needs port ${GORUSH_SINK_PORT} for its sink`;
}

/** Starts the program; it ends with this process. SSL_CERT_FILE names the sink's authority. */
export async function startGorush({
  program,
  folder,
}: ServerPlace): Promise<{ readonly pid: number; readonly sender: Sender }> {
  const port = await freePort();
  const hosts = join(folder, 'hosts');
  writeFileSync(hosts, '127.0.0.1 localhost fcm.googleapis.com\n');
  const config = join(folder, 'config.yml');
  writeFileSync(config, JSON.stringify(configOf(folder, port)));
  const inside = ['sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, program, '-c', config];
  const [command, ...args] = [...ALONE, ...inside];
  const child = spawn(command as string, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk).slice(-2_000);
  });
  const url = `http://127.0.0.1:${port}`;
  await untilHealthy(url, () => (child.exitCode === null ? undefined : words));
  return { pid: child.pid as number, sender: senderTo(url) };
}

/** Its file is YAML, of which JSON is a part. */
function configOf(folder: string, port: number): object {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const account = {
    type: 'service_account',
    project_id: 'bench',
    private_key_id: 'bench',
    client_email: 'bench@bench.iam.gserviceaccount.com',
    private_key: rsa.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: 'https://fcm.googleapis.com/token',
  };
  const keyFile = join(folder, 'account.json');
  writeFileSync(keyFile, JSON.stringify(account));
  return {
    core: {
      enabled: true,
      mode: 'release',
      address: '127.0.0.1',
      port: String(port),
      worker_num: WORKERS,
      // The answer tells what became of each.
      sync: true,
    },
    android: { enabled: true, key_path: keyFile, max_retry: 0 },
    log: {
      access_log: join(folder, 'access.log'),
      access_level: 'error',
      error_log: 'stderr',
      error_level: 'error',
    },
    queue: { engine: 'local' },
    stat: { engine: 'memory' },
  };
}

function senderTo(url: string): Sender {
  return {
    async send(targets, report) {
      await inCalls(
        targets,
        EACH,
        async (batch, startedAt) => {
          const tokens = batch.map(({ token }) => token);
          const notifications = [{ tokens, platform: ANDROID, title: TITLE, message: BODY }];
          const response = await fetch(`${url}/api/push`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ notifications }),
          });
          const { logs } = (await response.json()) as { logs: unknown[] | null };
          const failed = response.ok ? (logs?.length ?? 0) : batch.length;
          const ms = performance.now() - startedAt;
          for (let at = 0; at < batch.length; at += 1) report(at >= failed, ms);
        },
        REQUESTS,
      );
    },
  };
}

/** @param ended its last words once it has ended */
async function untilHealthy(url: string, ended: () => string | undefined): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const isHealthy = await fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isHealthy) return;
    const words = ended();
    if (words !== undefined) throw new Error(`gorush has ended: ${words}`);
    if (performance.now() > deadline) throw new Error(`gorush was not healthy after ${START_TIMEOUT_MS} ms`);
    await delay(50);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
