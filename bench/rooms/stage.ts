/** What all cases of the suite `rooms` share: a seeded PostgreSQL, a push service, and GrandChat with Carillon as they are run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addScale, MIGRATIONS, SCALE_ROOMS } from 'grandchat-server';
import { type App, startApp } from '../../e2e/support/app.ts';
import {
  type Database,
  loadSecrets,
  migrate,
  openDatabase,
  PUSH_MIGRATIONS,
} from '../../packages/carillon/src/index.ts';
import { atExit } from '../../scripts/setup/at-exit.ts';
import { type Sink, startSink } from '../push/sink.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startBenchPostgres } from '../support/postgres.ts';
import type { Progress } from '../support/progress.ts';
import type { Mode } from './tutorial.ts';

export interface Stage {
  readonly db: Database;
  readonly sink: Sink;
  readonly conditions: readonly string[];
  /** Of the room with so many members. */
  roomId(members: number): number;
  /** Of the nth user that was seeded, from 1. */
  userId(n: number): number;
  /** Two processes, by `npm start`'s script; with `profileDir` each writes a CPU profile there when it ends. */
  start(mode: Mode, profileDir?: string): Promise<RunningApp>;
  close(): Promise<void>;
}

export interface RunningApp extends App {
  readonly carillonPort: number;
  readonly carillonPid: number;
  /** Signs the tokens of users. */
  readonly tokenSecret: string;
}

export async function openStage(progress: Progress): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bench-rooms-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const closers: (() => unknown)[] = [removeFolder, atExit(removeFolder)];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    progress.step('starting PostgreSQL and the push service');
    const { caFile, key, cert } = makeCertificates(folder);
    const sink = await startSink({ key, cert }, {});
    closers.push(() => sink.stop());
    const postgres = await startBenchPostgres();
    closers.push(() => postgres.stop());
    const { dsn, drop } = await postgres.createDatabase();
    closers.push(drop);
    const db = await openDatabase({ dsn });
    closers.push(() => db.close());
    const { rooms, firstUser } = await seed(db, progress);
    return {
      db,
      sink,
      conditions: [postgres.conditions],
      roomId: (members) => rooms.get(members) as number,
      userId: (n) => firstUser + n - 1,
      async start(mode, profileDir) {
        const app = await startApp({
          databaseUrl: dsn,
          env: {
            GRANDCHAT_BROADCAST_MODE: mode,
            GRANDCHAT_MESSAGES_PER_MINUTE: '100000',
            GRANDCHAT_REQUESTS_PER_MINUTE: '100000',
            CARILLON_LOG_LEVEL: 'warn',
            CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
            NODE_EXTRA_CA_CERTS: caFile,
            ...(profileDir && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` }),
          },
        });
        const { tokenSecret } = await loadSecrets(app.dataDir);
        return {
          ...app,
          tokenSecret,
          carillonPort: Number(new URL(app.carillonUrl).port),
          carillonPid: childOf(app.process.pid as number, 'carillon.mjs'),
        };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function seed(
  db: Database,
  progress: Progress,
): Promise<{ rooms: Map<number, number>; firstUser: number }> {
  const users = Math.max(...SCALE_ROOMS.map(({ members }) => members));
  progress.step(`seeding ${users.toLocaleString('en')} users and their rooms`);
  await migrate(db, 'grandchat', MIGRATIONS);
  await migrate(db, 'carillon', PUSH_MIGRATIONS);
  await addScale(db, {
    users,
    onProgress: (step, done, total) => progress.update(`${step}: ${done} of ${total}`),
  });
  await db.exec('VACUUM ANALYZE');
  const rooms = new Map<number, number>();
  for (const { name, members } of SCALE_ROOMS) {
    const [room] = await db.query<{ id: number }>('SELECT id FROM chat_room WHERE name = $1', [name]);
    rooms.set(members, room?.id as number);
  }
  const [first] = await db.query<{ id: number }>('SELECT min(id) AS id FROM chat_user');
  return { rooms, firstUser: first?.id as number };
}

/** The process that `npm start` runs this file in. */
function childOf(pid: number, file: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  const found = children.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(file));
  if (found === undefined) throw new Error(`npm start has no process that runs ${file}`);
  return found;
}
