import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import { Admission } from './admission.ts';
import type { Broker } from './broker.ts';
import { Channels } from './channels.ts';
import { ClientCommands } from './client-commands.ts';
import { disconnect } from './codes.ts';
import {
  type ChannelsRequest,
  Connections,
  type DisconnectRequest,
  type RefreshRequest,
  type SubscribeRequest,
  type UnsubscribeRequest,
} from './connections.ts';
import { Connector } from './connector.ts';
import { countedBroker, countedPresence } from './counted-engine.ts';
import { Counters } from './counters.ts';
import { type Engine, memoryEngine } from './engine.ts';
import { Heartbeat } from './heartbeat.ts';
import { Hub } from './hub.ts';
import { type NodeInfo, nodeInfo } from './node-info.ts';
import { Nodes } from './nodes.ts';
import type { PresenceStore } from './presence.ts';
import type { ProxyCall } from './proxies/endpoint.ts';
import { Proxies } from './proxies/proxies.ts';
import { Publisher } from './publisher.ts';
import { Renewal } from './renewal.ts';
import { Session } from './session.ts';
import { Subscriber } from './subscriber.ts';
import { TokenVerifier } from './tokens.ts';
import type { Transport } from './transports/transport.ts';
import { Transports, type TransportsConfig } from './transports/transports.ts';

export interface RealtimeOptions {
  readonly config: Pick<Config, 'client' | 'channel' | 'rpc' | 'proxies'> & TransportsConfig;
  readonly logger: Logger;
  readonly nodeName: string;
  /** As clients and `info` see it. */
  readonly version: string;
  readonly onProxyCall?: (call: ProxyCall) => void;
  /** In memory unless given. Whoever gives it closes it, after real time. */
  readonly engine?: Engine;
}

/** Real time on one node: connections, channels, history. */
export interface Realtime {
  readonly node: Pick<NodeInfo, 'uid' | 'name' | 'version'>;
  readonly nodes: Nodes;
  readonly hub: Hub;
  readonly counters: Counters;
  readonly channels: Channels;
  readonly broker: Broker;
  readonly presence: PresenceStore;
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  /** Paths whose requests `handleRequest` takes. */
  readonly requestPaths: readonly string[];
  /** Takes an HTTP request of a transport that is no WebSocket; false when its path is not ours. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean;
  /** Takes a WebSocket upgrade. @returns the status it is answered with; undefined when its path is not ours */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): number | undefined;
  stats(): ReturnType<Hub['stats']>;
  /** Joins the other nodes; before clients come. @throws UnavailableError */
  start(): Promise<void>;
  /** Sends everybody away with 3001, which tells clients to come back. */
  close(): Promise<void>;
}

export function createRealtime(options: RealtimeOptions): Realtime {
  const { config, logger } = options;
  const { client } = config;
  const node = { uid: randomUUID(), name: options.nodeName, version: options.version };
  const engine = options.engine ?? memoryEngine();
  const counters = new Counters();
  const broker = countedBroker(engine.broker, counters);
  const presence = countedPresence(engine.presence, counters);
  const hub = new Hub(counters);
  const channels = new Channels(config.channel);
  const publisher = new Publisher(hub, broker, channels, client.recovery_max_publication_limit, counters);
  const tokens = new TokenVerifier(client.token, logger);
  const subscriptionTokens = client.subscription_token.enabled
    ? new TokenVerifier(client.subscription_token, logger)
    : tokens;
  const proxies = new Proxies({ config, logger, onCall: options.onProxyCall });
  const admission = new Admission({ config, tokens: subscriptionTokens, proxies, logger });
  const subscriber = new Subscriber({
    config,
    channels,
    hub,
    broker,
    presence,
    publisher,
    admission,
    counters,
  });
  publisher.attach(subscriber);
  const connector = new Connector({
    config,
    channels,
    hub,
    subscriber,
    tokens,
    proxies,
    version: options.version,
    logger,
    node: node.uid,
    closeOthers: (user, spared) => {
      const { code, message: reason } = disconnect('connectionLimit');
      return nodes.ask('disconnect', { user, whitelist: [spared], code, reason });
    },
  });
  const handler = new ClientCommands({
    counters,
    config,
    channels,
    broker,
    presence,
    publisher,
    connector,
    subscriber,
    admission,
    proxies,
  });
  const connections = new Connections({ hub, channels, subscriber });
  const nodes = new Nodes({
    bus: engine.bus,
    uid: node.uid,
    info: nodeInfo(node, hub),
    tasks: {
      subscribe: (request: SubscribeRequest) => connections.subscribe(request),
      unsubscribe: (request: UnsubscribeRequest) => connections.unsubscribe(request),
      disconnect: (request: DisconnectRequest) => connections.disconnect(request),
      refresh: (request: RefreshRequest) => connections.refresh(request),
      channels: (request: ChannelsRequest) => connections.channels(request),
      // A session that is gone is no error: its client is just learning that.
      emulate: ({ session, data }: { session: string; data: string }) =>
        emulated.get(session)?.receive(Buffer.from(data, 'base64')),
    },
  });
  /** All open ones, those that have not connected yet included. */
  const open = new Set<Session>();
  /** Those whose commands come by requests of their own, by key. */
  const emulated = new Map<string, Session>();
  const onClose = (session: Session) => {
    open.delete(session);
    emulated.delete(session.key);
    hub.removeSession(session);
    for (const subscription of [...session.subscriptions.values()]) subscriber.remove(subscription);
  };
  let closing = false;
  const openSession = (transport: Transport, { headers }: IncomingMessage) => {
    const session = new Session({
      transport,
      headers: proxies.headers.ofRequest(headers),
      handler,
      logger,
      counters,
      onClose,
      queueMaxSize: client.queue_max_size,
    });
    open.add(session);
    if (session.isEmulated) emulated.set(session.key, session);
    // Its request was under way already.
    if (closing) session.disconnect(disconnect('shutdown'));
    return session;
  };
  const heartbeat = new Heartbeat({
    client,
    sessions: () => open,
    presence,
    subscriber,
    publisher,
    renewal: new Renewal(proxies, subscriber),
  });
  const transports = new Transports({
    config,
    logger,
    open: openSession,
    connections: () => open.size,
    emulate: async ({ node: at, session, data }) =>
      (await nodes.askOne(at, 'emulate', { session, data: data.toString('base64') })) !== undefined,
  });
  return {
    node,
    nodes,
    hub,
    counters,
    channels,
    broker,
    presence,
    publisher,
    subscriber,
    requestPaths: transports.paths,
    handleUpgrade: (request, socket, head) => transports.handleUpgrade(request, socket, head),
    handleRequest: (request, response) => transports.handleRequest(request, response),
    stats: () => hub.stats(),
    start: () => nodes.start(),
    async close() {
      heartbeat.close();
      closing = true;
      for (const session of [...open]) session.disconnect(disconnect('shutdown'));
      publisher.close();
      proxies.close();
      await nodes.close();
      if (!options.engine) await engine.close();
    },
  };
}
