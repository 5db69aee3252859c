/** The npm library `web-push`, used as well as it can be: keep-alive connections and many requests under way. */
import { Agent } from 'node:https';
import webPush from 'web-push';
import type { Subscription } from './devices.ts';
import type { PeerReply, PeerRequest } from './peer-messages.ts';

let settings: Extract<PeerRequest, { type: 'prepare' }>;
let agent: Agent;

async function send(subscriptions: readonly Subscription[]): Promise<void> {
  const { vapid, payload, inFlight } = settings;
  const options = {
    agent,
    TTL: 60,
    urgency: 'high',
    vapidDetails: vapid,
    contentEncoding: 'aes128gcm',
  } as const;
  let next = 0;
  let failed = 0;
  const work = async () => {
    for (let one = subscriptions[next++]; one; one = subscriptions[next++]) {
      await webPush.sendNotification(one, payload, options).catch(() => {
        failed += 1;
      });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  reply({ type: 'sent', failed });
}

function reply(message: PeerReply): void {
  process.send?.(message);
}

process.on('message', (request: PeerRequest) => {
  if (request.type === 'send') void send(request.subscriptions);
  else {
    settings = request;
    agent = new Agent({ keepAlive: true, maxSockets: request.inFlight });
    reply({ type: 'ready' });
  }
});
process.on('disconnect', () => process.exit());
