/** GrandChat as a process of its own, configured by environment. */
import { loadSecrets, openDatabase } from 'carillon';
import { pino } from 'pino';
import { startGrandChat } from './grandchat.ts';
import { firebaseFromEnvironment } from './push/firebase.ts';
import { broadcastFromEnvironment } from './rooms/commands/mode.ts';
import { realtimeFromEnvironment } from './rooms/commands/realtime-server.ts';
import { limitsFromEnvironment } from './services.ts';

const { env } = process;
const logger = pino({ name: 'grandchat', level: 'warn' });

try {
  const dsn = required('DATABASE_URL', 'postgresql://user:password@host:5432/name');
  const secrets = await loadSecrets(
    required('CARILLON_DATA_DIR', 'the folder with the secrets that Carillon uses'),
  );
  const db = await openDatabase({
    dsn,
    onError: (error) => logger.error({ err: error }, 'database connection lost'),
  });
  const port = Number(env.GRANDCHAT_PORT || 9000);
  const grandchat = await startGrandChat({
    db,
    logger,
    port,
    origin: env.GRANDCHAT_ORIGIN || `http://localhost:${port}`,
    carillon: {
      url: env.CARILLON_URL || 'http://localhost:8000',
      apiKey: env.CARILLON_HTTP_API_KEY || secrets.apiKey,
      tokenSecret: env.CARILLON_CLIENT_TOKEN_HMAC_SECRET_KEY || secrets.tokenSecret,
    },
    vapidPublicKey: env.CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_VAPID_PUBLIC_KEY || secrets.vapid.publicKey,
    firebase: firebaseFromEnvironment(env),
    broadcast: broadcastFromEnvironment(env),
    realtime: realtimeFromEnvironment(env),
    trustProxy: env.GRANDCHAT_TRUST_PROXY === 'true',
    demo: env.GRANDCHAT_DEMO === 'true',
    limits: limitsFromEnvironment(env),
    ...(env.GRANDCHAT_WEB_ROOT && { webRoot: env.GRANDCHAT_WEB_ROOT }),
  });
  process.send?.({ ready: true, demoAccounts: grandchat.demoAccounts });
  const stop = async () => {
    await grandchat.close();
    await db.close();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  console.error(`GrandChat could not start: ${(error as Error).message}`);
  process.exit(1);
}

function required(name: string, meaning: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set: ${meaning}`);
  return value;
}
