import type { WebSocket } from 'ws';
import type { Journal } from '../journal.ts';
import type { Mailbox } from '../webpush/mailbox.ts';
import type { Agent, Registry } from '../webpush/registry.ts';
import { normalizeKey } from '../webpush/vapid.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Message = Record<string, unknown>;

/**
 * The browser's one socket, by Mozilla's autopush protocol: JSON text frames, `hello` first. Whatever is no message of the
 * protocol ends the connection without a close handshake, which Firefox would not finish.
 */
export function serveConnection(
  socket: WebSocket,
  { registry, mailbox, journal }: { registry: Registry; mailbox: Mailbox; journal: Journal },
): void {
  let agent: Agent | undefined;

  const handlers: Record<string, (message: Message, agent: Agent) => void> = {
    register({ channelID, key }, agent) {
      if (typeof channelID !== 'string' || !UUID.test(channelID)) return socket.terminate();
      const vapidKey = typeof key === 'string' ? normalizeKey(key) : undefined;
      if (key !== undefined && vapidKey === undefined) {
        return send({ messageType: 'register', channelID, status: 400, pushEndpoint: '' });
      }
      const { endpoint } = registry.register(agent, channelID, vapidKey);
      send({ messageType: 'register', channelID, status: 200, pushEndpoint: endpoint });
    },
    unregister({ channelID, code }, agent) {
      if (typeof channelID !== 'string') return socket.terminate();
      const subscription = agent.channels.get(channelID);
      if (subscription) mailbox.gone(registry.end(subscription, typeof code === 'number' ? code : undefined));
      send({ messageType: 'unregister', channelID, status: 200 });
    },
    ack({ updates }, agent) {
      if (!Array.isArray(updates)) return socket.terminate();
      for (const { channelID, version, code } of updates as Message[]) {
        if (typeof channelID !== 'string' || typeof version !== 'string') continue;
        const subscription = agent.channels.get(channelID);
        // The journal may have forgotten what is still on its way; it alone knows what was replaced after it had been sent.
        const record = subscription?.pending.find(({ id }) => id === version) ?? journal.get(version);
        if (!subscription || record?.endpoint !== subscription.endpoint) continue;
        mailbox.acknowledge(subscription, record, typeof code === 'number' ? code : 100);
      }
    },
    nack({ version, code }, agent) {
      const record = typeof version === 'string' ? journal.get(version) : undefined;
      const isTheirs = [...agent.channels.values()].some(({ endpoint }) => endpoint === record?.endpoint);
      if (!record || !isTheirs) return;
      record.nackCode = typeof code === 'number' ? code : 0;
      journal.changed(record);
    },
    broadcast_subscribe() {},
  };

  socket.on('message', (data, isBinary) => {
    const message = isBinary ? undefined : parse(String(data));
    if (!message) return socket.terminate();
    if (Object.keys(message).length === 0 || message.messageType === 'ping') return send({});
    if (!agent) return hello(message);
    const handler = handlers[String(message.messageType)];
    if (!handler) return socket.terminate();
    handler(message, agent);
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    // A later connection of the same browser has taken over when `deliver` is no longer ours.
    if (!agent || agent.deliver !== deliver) return;
    mailbox.away(agent);
    registry.leave(agent);
  });

  function hello({ messageType, uaid, use_webpush }: Message): void {
    if (messageType !== 'hello' || use_webpush !== true) {
      socket.terminate();
      return;
    }
    // A browser whose uaid is unknown drops its subscriptions.
    const known = (typeof uaid === 'string' && registry.findAgent(uaid)) || registry.addAgent();
    known.deliver = deliver;
    agent = known;
    send({ messageType: 'hello', uaid: known.id, status: 200, use_webpush: true, broadcasts: {} });
    mailbox.resend(known);
  }

  const deliver: Agent['deliver'] = ({ channelId }, { id, body, headers }) => {
    send({
      messageType: 'notification',
      channelID: channelId,
      version: id,
      ...(body.length > 0 && {
        data: body.toString('base64url'),
        headers: { encoding: headers?.encoding },
      }),
    });
  };

  function send(message: Message): void {
    socket.send(JSON.stringify(message));
  }
}

function parse(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Message)
      : undefined;
  } catch {
    return undefined;
  }
}
