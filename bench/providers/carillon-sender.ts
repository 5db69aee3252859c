import { generateKeyPairSync } from 'node:crypto';
import { resolveConfig } from '../../packages/carillon/src/config/load.ts';
import { type ProviderSetup, providerSetups } from '../../packages/carillon/src/push/providers/index.ts';
import type { ProviderMessage } from '../../packages/carillon/src/push/providers/provider.ts';
import { generateVapidKeys } from '../../packages/carillon/src/push/providers/webpush/index.ts';
import { createSenderPool } from '../../packages/carillon/src/push/worker/sender-pool.ts';
import type { SinkAddress, Vendor } from './messages.ts';
import type { Sender } from './sender-process.ts';

/** Batches under way at once, as a worker with the queue in PostgreSQL has. */
const BATCHES = 16;
export const TITLE = 'General';
export const BODY = 'Ann: The roses are out, and the lilies will follow by the end of the week.';

const MESSAGES: Record<Vendor, ProviderMessage> = {
  fcm: { message: { notification: { title: TITLE, body: BODY } } },
  apns: { payload: { aps: { alert: { title: TITLE, body: BODY } } } },
  hms: {
    message: {
      notification: { title: TITLE, body: BODY },
      android: { notification: { click_action: { type: 3 } } },
    },
  },
  webpush: { headers: { TTL: '60', Urgency: 'high' }, payload: { title: TITLE, body: BODY } },
};

/** Carillon's own sender threads, fed in batches of each provider's usual size. */
export function createCarillonSender(vendor: Vendor, sink: SinkAddress, threads: number): Sender {
  const setup = setupOf(vendor, sink);
  const silent = { info() {}, error: (fields: object, message: string) => console.error(message, fields) };
  const pool = createSenderPool({ threads, providers: [setup], logger: silent });
  const size = setup.config.tokens_batch_size;
  return {
    async send(targets, report) {
      let next = 0;
      const work = async () => {
        while (next < targets.length) {
          const batch = targets.slice(next, next + size);
          next += size;
          const startedAt = performance.now();
          await pool.send(setup.lane, { targets: batch, message: MESSAGES[vendor] }, ({ kind }) =>
            report(kind === 'accepted', performance.now() - startedAt),
          );
        }
      };
      await Promise.all(Array.from({ length: BATCHES }, work));
    },
  };
}

function setupOf(vendor: Vendor, { url }: SinkAddress): ProviderSetup {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const vapid = generateVapidKeys();
  const { config } = resolveConfig({
    push_notifications: {
      enabled: true,
      enabled_providers: [vendor],
      fcm: {
        endpoint: url,
        credentials_json: JSON.stringify({
          type: 'service_account',
          project_id: 'bench',
          client_email: 'bench@bench.iam.gserviceaccount.com',
          private_key: rsa.export({ type: 'pkcs8', format: 'pem' }),
          token_uri: `${url}/token`,
        }),
      },
      apns: {
        endpoint: url,
        bundle_id: 'com.example.bench',
        token_key_pem: ec.export({ type: 'pkcs8', format: 'pem' }),
        token_key_id: 'ABC123DEFG',
        token_team_id: 'DEF123GHIJ',
      },
      hms: {
        app_id: '100000001',
        app_secret: 'a secret of the bench',
        push_endpoint: url,
        auth_endpoint: `${url}/oauth2/v3/token`,
      },
      webpush: {
        subject: 'mailto:bench@example.com',
        vapid_public_key: vapid.publicKey,
        vapid_private_key: vapid.privateKey,
        insecure_endpoint_origins: [new URL(url).origin],
      },
    },
  });
  return providerSetups(config.push_notifications)[0] as ProviderSetup;
}
