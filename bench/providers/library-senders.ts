/** The vendors' own libraries and the usual ones, unchanged, used as well as they can be. */
import { generateKeyPairSync } from 'node:crypto';
import { Agent } from 'node:https';
import apn from '@parse/node-apn';
import { cert, initializeApp } from 'firebase-admin/app';
import { getMessaging } from 'firebase-admin/messaging';
import { redirectVendors } from 'push-emulator';
import webPush from 'web-push';
import { BODY, TITLE } from './carillon-sender.ts';
import type { SinkAddress, Subject } from './messages.ts';
import type { Sender } from './sender-process.ts';

/** What `sendEach` takes at the most. */
const EACH = 500;
const APN_BATCH = 1_000;
/** Calls under way at once: one would leave the library idle at the end of each. */
const CALLS = 2;
const WEB_PUSH_REQUESTS = 100;

export type Library = Exclude<Subject, 'carillon' | 'node:http2' | 'gorush'>;

export function createLibrarySender(subject: Library, sink: SinkAddress): Sender {
  switch (subject) {
    case 'firebase-admin':
      return firebaseAdmin(sink);
    case 'node-apn':
      return nodeApn(sink);
    case 'web-push':
      return webPushLibrary(sink);
  }
}

function firebaseAdmin(sink: SinkAddress): Sender {
  redirectVendors({ httpsUrl: sink.url, apnsUrl: sink.url, ca: sink.ca });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const privateKey = String(rsa.export({ type: 'pkcs8', format: 'pem' }));
  const clientEmail = 'bench@bench.iam.gserviceaccount.com';
  const messaging = getMessaging(
    initializeApp({ credential: cert({ projectId: 'bench', clientEmail, privateKey }) }),
  );
  const notification = { title: TITLE, body: BODY };
  return {
    async send(targets, report) {
      await inCalls(targets, EACH, async (batch, startedAt) => {
        const { responses } = await messaging.sendEach(batch.map(({ token }) => ({ token, notification })));
        for (const { success } of responses) report(success, performance.now() - startedAt);
      });
    },
  };
}

function nodeApn(sink: SinkAddress): Sender {
  const { hostname, port } = new URL(sink.url);
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const provider = new apn.Provider({
    address: hostname,
    port: Number(port) || 443,
    ca: [sink.ca],
    production: true,
    token: {
      key: String(key.export({ type: 'pkcs8', format: 'pem' })),
      keyId: 'ABC123DEFG',
      teamId: 'DEF123GHIJ',
    },
  } as apn.ProviderOptions);
  return {
    async send(targets, report) {
      await inCalls(targets, APN_BATCH, async (batch, startedAt) => {
        const note = Object.assign(new apn.Notification(), {
          topic: 'com.example.bench',
          pushType: 'alert',
          alert: { title: TITLE, body: BODY },
        });
        const { sent, failed } = await provider.send(
          note,
          batch.map(({ token }) => token),
        );
        const ms = performance.now() - startedAt;
        for (let n = 0; n < sent.length; n++) report(true, ms);
        for (let n = 0; n < failed.length; n++) report(false, ms);
      });
    },
  };
}

function webPushLibrary(sink: SinkAddress): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: WEB_PUSH_REQUESTS, ca: sink.ca });
  const vapidDetails = { subject: 'mailto:bench@example.com', ...webPush.generateVAPIDKeys() };
  const payload = JSON.stringify({ title: TITLE, body: BODY });
  return {
    async send(targets, report) {
      let next = 0;
      const work = async () => {
        for (let one = targets[next++]; one; one = targets[next++]) {
          const startedAt = performance.now();
          const subscription = { endpoint: one.token, keys: one.keys as { p256dh: string; auth: string } };
          const options = { agent, TTL: 60, urgency: 'high', vapidDetails } as const;
          const isSent = await webPush.sendNotification(subscription, payload, options).then(
            () => true,
            () => false,
          );
          report(isSent, performance.now() - startedAt);
        }
      };
      await Promise.all(Array.from({ length: WEB_PUSH_REQUESTS }, work));
    },
  };
}

/** @param calls under way at once */
export async function inCalls<T>(
  items: readonly T[],
  size: number,
  call: (batch: readonly T[], startedAt: number) => Promise<void>,
  calls = CALLS,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const batch = items.slice(next, next + size);
      next += size;
      await call(batch, performance.now());
    }
  };
  await Promise.all(Array.from({ length: calls }, work));
}
