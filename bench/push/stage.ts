/** What all cases of the suite `push` share: the sink, the databases, the VAPID keys, the message. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../packages/carillon/src/index.ts';
import {
  generateVapidKeys,
  type VapidKeys,
} from '../../packages/carillon/src/push/providers/webpush/index.ts';
import { startRedis, type TestRedis } from '../../packages/carillon/test/support/redis.ts';
import { atExit } from '../../scripts/setup/at-exit.ts';
import { makeCertificates } from '../support/certificates.ts';
import type { ChildOptions } from '../support/child.ts';
import { type BenchPostgres, startBenchPostgres } from '../support/postgres.ts';
import type { Progress } from '../support/progress.ts';
import { type Audience, insertBySql, isRegisteredByApi } from './devices.ts';
import { type Sink, startSink } from './sink.ts';

export const SUBJECT = 'mailto:ops@example.com';
/** What a chat's message weighs. */
export const PAYLOAD = { title: 'Room', body: 'x'.repeat(160), data: { room: 7, message: 12345 } };

/** Where Carillon keeps devices and queue. */
export type Place = 'postgresql' | 'redis' | 'pglite';

export interface Stage {
  readonly sink: Sink;
  readonly vapid: VapidKeys;
  /** For every process that is measured or sent to. */
  readonly child: ChildOptions;
  readonly conditions: readonly string[];
  /** Brings devices into the database of a place, before its server starts. */
  fill(place: Place, audiences: readonly Audience[]): Promise<void>;
  /** The part of a configuration that names a place. */
  config(place: Place): { database: object; queue: object };
  /** Where a place keeps its folder. */
  dataDir(place: Place): string;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly cores: string | undefined;
  readonly places: readonly Place[];
  readonly progress: Progress;
}

export async function openStage({ cores, places, progress }: StageOptions): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bench-push-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const closers: (() => unknown)[] = [removeFolder, atExit(removeFolder)];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    progress.step(
      `starting the sink${places.some((place) => place !== 'pglite') ? ' and the databases' : ''}`,
    );
    const { caFile, key, cert } = makeCertificates(folder);
    const child = { cores, env: { NODE_EXTRA_CA_CERTS: caFile } };
    const sink = await startSink({ key, cert }, child);
    closers.push(() => sink.stop());
    let postgres: BenchPostgres | undefined;
    let dsn = '';
    if (places.includes('postgresql') || places.includes('redis')) {
      postgres = await startBenchPostgres();
      closers.push(() => postgres?.stop());
      const database = await postgres.createDatabase();
      closers.push(() => database.drop());
      dsn = database.dsn;
    }
    let redis: TestRedis | undefined;
    if (places.includes('redis')) {
      redis = await startRedis();
      closers.push(() => redis?.drop());
      closers.push(atExit(() => void redis?.kill()));
    }
    const dataDir = (place: Place) => join(folder, place);
    for (const place of places) mkdirSync(dataDir(place), { recursive: true });
    return {
      sink,
      vapid: generateVapidKeys(),
      child,
      conditions: [
        cores
          ? `server, web-push, crypto floor and sink share the cores ${cores}; databases and the benchmark itself use all`
          : 'all processes use all cores',
        'the sink is a process of its own: HTTP/2 and HTTP/1.1 with TLS on localhost, 100 streams a connection, 201 at once',
        ...(postgres ? [postgres.conditions] : []),
        ...(redis ? ['Redis of the run itself: appendonly yes, appendfsync everysec'] : []),
      ],
      async fill(place, audiences) {
        const large = audiences.filter((one) => !isRegisteredByApi(one));
        if (large.length === 0) return;
        const db = await openDatabase(place === 'pglite' ? { dataDir: dataDir(place) } : { dsn });
        try {
          for (const one of large) await insertBySql(db, sink.origin, one);
        } finally {
          await db.close();
        }
      },
      config: (place) => ({
        database: place === 'pglite' ? {} : { postgresql: { dsn } },
        queue: place === 'redis' ? { redis: { address: redis?.address } } : {},
      }),
      dataDir,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
