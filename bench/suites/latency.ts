/**
 * How long a message takes: from its POST to the other user's WebSocket, and to the push service's 201. GrandChat and Carillon
 * run as `npm start` runs them; the push service is a sink on this machine that answers at once.
 */
import { type App, startApp } from '../../e2e/support/app.ts';
import { Person } from '../../e2e/support/person.ts';
import { type PushSink, startPushSink } from '../../e2e/support/push-sink.ts';
import { startBenchPostgres } from '../support/postgres.ts';
import type { Progress } from '../support/progress.ts';
import { percentile } from '../support/statistics.ts';
import { type Result, type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';

const MESSAGES = 200;
const QUICK_MESSAGES = 100;
const WARM_UP = 20;
/** A pause between messages: latency, not throughput. */
const PAUSE_MS = 25;

interface LatencyFigures {
  readonly post: readonly number[];
  readonly websocket: readonly number[];
  readonly push: readonly number[];
}

export const latencySuite: Suite = {
  name: 'latency',
  description: "how long a message of GrandChat takes to the other user's WebSocket and to the push service",
  run: measureAll,
};

async function measureAll({ quick, progress }: RunOptions): Promise<SuiteReport> {
  const messages = quick ? QUICK_MESSAGES : MESSAGES;
  progress.step('embedded database, one process');
  const embedded = await measureLatency(undefined, messages, progress);
  progress.step('PostgreSQL, two processes');
  const postgres = await startBenchPostgres();
  try {
    const { dsn, drop } = await postgres.createDatabase();
    const separate = await measureLatency(dsn, messages, progress);
    await drop();
    return {
      conditions: [
        `${messages} messages one by one, ${PAUSE_MS} ms apart, after ${WARM_UP} that do not count`,
        'times count from the call of POST; the push service is in the process of the benchmark and answers at once',
        postgres.conditions,
      ],
      results: [...resultsOf('pglite', embedded), ...resultsOf('postgresql', separate)],
    };
  } finally {
    await postgres.stop();
  }
}

function resultsOf(place: string, figures: LatencyFigures): Result[] {
  const named = {
    "POST's own answer": figures.post,
    'the other WebSocket': figures.websocket,
    "the push service's 201": figures.push,
  };
  return Object.entries(named).map(([name, values]) =>
    result(`${name}, ${place}`, 'carillon', {
      p50Ms: percentile(values, 0.5),
      p99Ms: percentile(values, 0.99),
    }),
  );
}

/** On the embedded database, or on PostgreSQL when `databaseUrl` is given. Milliseconds, one per message. */
async function measureLatency(
  databaseUrl: string | undefined,
  messages: number,
  progress: Progress,
): Promise<LatencyFigures> {
  const sink = await startPushSink();
  let app: App | undefined;
  try {
    app = await startApp({
      ...(databaseUrl && { databaseUrl }),
      env: {
        CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
        CARILLON_LOG_LEVEL: 'warn',
        GRANDCHAT_MESSAGES_PER_MINUTE: '100000',
      },
    });
    return await measure(app, sink, messages, progress);
  } finally {
    await app?.close();
    sink.close();
  }
}

async function measure(
  app: App,
  sink: PushSink,
  messages: number,
  progress: Progress,
): Promise<LatencyFigures> {
  const ann = await Person.signUp(app.origin, 'writer');
  const bob = await Person.signUp(app.origin, 'reader');
  const room = await ann.createRoom('latency');
  await bob.join(room);
  await bob.post('/api/device/register/', {
    device: { provider: 'webpush', platform: 'web', token: sink.subscription('reader') },
  });
  const { client, subscription } = bob.realtime();
  const arrivals = new Map<number, (at: number) => void>();
  subscription.on('publication', ({ data }) => {
    if (data.type === 'message_added') arrivals.get(data.body.content.length)?.(performance.now());
  });
  client.connect();
  await subscription.ready(10_000);
  const figures = { post: [] as number[], websocket: [] as number[], push: [] as number[] };
  for (let n = 1; n <= WARM_UP + messages; n++) {
    // The length names the message before its id is known.
    const arrived = new Promise<number>((resolve) => arrivals.set(n, resolve));
    const pushed = sink.next();
    const started = performance.now();
    await ann.write(room, 'x'.repeat(n));
    const posted = performance.now();
    const [atScreen, { at: atService }] = await Promise.all([arrived, pushed]);
    if (n > WARM_UP) {
      figures.post.push(posted - started);
      figures.websocket.push(atScreen - started);
      figures.push.push(atService - started);
    }
    progress.update(`${n} of ${WARM_UP + messages} messages`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  client.disconnect();
  return figures;
}
