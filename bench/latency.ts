/**
 * How long a message takes: from its POST to the other user's WebSocket, and to the push service's 201. GrandChat and Carillon
 * run as `npm start` runs them; the push service is a sink on this machine that answers at once.
 */
import { type App, startApp } from '../e2e/support/app.ts';
import { Person } from '../e2e/support/person.ts';
import { type PushSink, startPushSink } from '../e2e/support/push-sink.ts';

const MESSAGES = 200;
const WARM_UP = 20;
/** A pause between messages: latency, not throughput. */
const PAUSE_MS = 25;

export interface LatencyFigures {
  readonly post: readonly number[];
  readonly websocket: readonly number[];
  readonly push: readonly number[];
}

/** Measures on the embedded database, or on PostgreSQL when `databaseUrl` is given. Milliseconds, one per message. */
export async function measureLatency(databaseUrl?: string): Promise<LatencyFigures> {
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
    return await measure(app, sink);
  } finally {
    await app?.close();
    sink.close();
  }
}

async function measure(app: App, sink: PushSink): Promise<LatencyFigures> {
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
  for (let n = 1; n <= WARM_UP + MESSAGES; n++) {
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
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  client.disconnect();
  return figures;
}
