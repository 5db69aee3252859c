import { loadConfig, loadSecrets, openDatabase, startCarillon } from 'carillon';
import {
  broadcastFromEnvironment,
  firebaseFromEnvironment,
  limitsFromEnvironment,
  realtimeFromEnvironment,
  startGrandChat,
} from 'grandchat-server';
import { carillonEnvironment, firebaseWarning, type StartSettings } from './settings.ts';

export interface DemoAccount {
  readonly username: string;
  readonly password: string;
}

/** GrandChat and Carillon under way, in whatever processes. */
export interface Running {
  /** Made at this start; empty when the database had people in it already. */
  readonly demoAccounts: readonly DemoAccount[];
  /** Resolves with words for a person when a part ends by itself. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** Both in this process, on one embedded database. */
export async function runEmbedded(settings: StartSettings): Promise<Running> {
  const db = await openDatabase({ dataDir: settings.dataDir });
  const closers: (() => Promise<void>)[] = [() => db.close()];
  const close = async () => {
    for (const closer of closers.reverse()) await closer();
  };
  try {
    const { config, warnings } = await loadConfig({
      file: settings.carillonConfig,
      env: carillonEnvironment(settings, process.env),
    });
    const firebase = firebaseWarning(process.env, config.push_notifications.enabled_providers);
    for (const warning of [...warnings, ...(firebase ? [firebase] : [])]) console.warn(`Warning: ${warning}`);
    const secrets = await loadSecrets(settings.dataDir);
    // GrandChat first: it makes the outbox table that Carillon's consumer reads.
    const grandchat = await startGrandChat({
      db,
      origin: settings.origin,
      port: settings.grandchatPort,
      // What the configuration says wins, as it does in Carillon.
      carillon: {
        url: settings.carillonUrl,
        apiKey: config.http_api.key || secrets.apiKey,
        tokenSecret: config.client.token.hmac_secret_key || secrets.tokenSecret,
      },
      vapidPublicKey: config.push_notifications.webpush.vapid_public_key || secrets.vapid.publicKey,
      firebase: firebaseFromEnvironment(process.env),
      broadcast: broadcastFromEnvironment(process.env),
      realtime: realtimeFromEnvironment(process.env),
      webRoot: settings.webRoot,
      demo: true,
      limits: limitsFromEnvironment(process.env),
    });
    closers.push(() => grandchat.close());
    const carillon = await startCarillon({ config, dataDir: settings.dataDir, db });
    closers.push(() => carillon.close());
    return { demoAccounts: grandchat.demoAccounts, ended: new Promise(() => {}), close };
  } catch (error) {
    await close();
    throw error;
  }
}
