import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { WebSocketServer } from 'ws';
import { createApnsListener } from './apns/listener.ts';
import { createAuthority, openAuthority, spkiHash } from './certificates/authority.ts';
import { createCaFile } from './certificates/ca-file.ts';
import { Devices } from './chromium/devices.ts';
import { createChromium } from './chromium/service.ts';
import { serveMessageSocket } from './chromium/socket.ts';
import { handleControl } from './control.ts';
import { Faults } from './faults.ts';
import { createFirebase } from './firebase/service.ts';
import { FirebaseTokens } from './firebase/tokens.ts';
import { gateConnections } from './frame-gate.ts';
import { type Request, type Response, writeAnswer } from './http.ts';
import { Journal, type PushRecord } from './journal.ts';
import { Listeners } from './listener.ts';
import { serveConnection } from './mozilla/connection.ts';
import { createMozilla, createMozillaRegistry } from './mozilla/service.ts';
import { pageAnswer } from './page.ts';
import { createServe } from './serve.ts';
import type { Service, ServiceContext, ServiceName } from './service.ts';
import { presentBadCertificates, TLS_HOSTS } from './tls.ts';
import { createVendors, type VendorControls } from './vendors.ts';
import { Mailbox } from './webpush/mailbox.ts';
import { createSendWebPush } from './webpush/send.ts';
import { type PushSubscriptionJson, type SubscribeOptions, VirtualBrowsers } from './webpush/virtual.ts';

const WAIT_MS = 10_000;
const MAX_FRAME_BYTES = 64 * 1024;

export interface EmulatorOptions {
  /** Of plain HTTP; 0, the default, as for the others: any that is free. */
  readonly port?: number;
  /** Of HTTPS, over HTTP/2 and HTTP/1.1. */
  readonly httpsPort?: number;
  /** Of Chromium's message socket. */
  readonly mcsPort?: number;
  /** Of APNs: TLS and HTTP/2 alone. */
  readonly apnsPort?: number;
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** A folder that keeps the certificate authority, so that who trusts it need not be told again; a new one each time when absent. */
  readonly dataDir?: string;
  /** Messages that a Google project may send in a minute before FCM answers 429; 600 000 when absent. */
  readonly fcmQuotaPerMinute?: number;
  /** Milliseconds since the epoch; for tests of what takes days. */
  readonly now?: () => number;
}

export interface SubscriptionInfo {
  readonly service: ServiceName;
  /** Chromium: where the emulator takes its pushes; the browser's page has seen the same token at a host of Google's. */
  readonly endpoint: string;
  /** The browser, by the id that the service gave it. */
  readonly uaid: string;
  readonly channelId: string;
  readonly key?: string;
  /** Milliseconds since the epoch, as `goneAt`. */
  readonly createdAt: number;
  readonly goneAt?: number;
  readonly goneCode?: number;
  /** Whether the browser is connected. */
  readonly isOnline: boolean;
}

export interface PushEmulator extends VendorControls {
  /** Everything but APNs over plain HTTP/1.1, e.g. `http://127.0.0.1:8090`: the origin of Mozilla's endpoints. */
  readonly url: string;
  /** The same over TLS, HTTP/2 and HTTP/1.1, e.g. `https://127.0.0.1:8091`. */
  readonly httpsUrl: string;
  /** APNs, e.g. `https://127.0.0.1:8092`. */
  readonly apnsUrl: string;
  /** For Firefox's `dom.push.serverURL`. */
  readonly wsUrl: string;
  /** For Chromium's `--gcm-mcs-endpoint`; see `chromiumArguments` for all that it takes. */
  readonly mcsUrl: string;
  /** The certificate of the emulator's own authority, as PEM. */
  readonly ca: string;
  /** The same in a file, for `NODE_EXTRA_CA_CERTS` and its like; it goes when the emulator closes, unless it is in `dataDir`. */
  caFile(): Promise<string>;
  /** For Chromium's `--ignore-certificate-errors-spki-list`. */
  readonly spkiHash: string;
  readonly faults: Faults;
  /** Every push so far, the refused too, oldest first. */
  messages(): PushRecord[];
  forgetMessages(): void;
  /** Subscriptions of browsers and virtual ones, the ended too. */
  subscriptions(): SubscriptionInfo[];
  /** A subscription without a browser: what is pushed to it is decrypted into `PushRecord.payload`. */
  subscribe(options?: SubscribeOptions): PushSubscriptionJson;
  /** Ends a subscription, a browser's too: from now on its endpoint answers 410. Returns whether there was one. */
  unsubscribe(endpoint: string): boolean;
  /** Resolves with the first push, past or to come, that fits; rejects after `timeoutMs` (10 000). */
  waitFor(predicate: (record: PushRecord) => boolean, options?: { timeoutMs?: number }): Promise<PushRecord>;
  /** Each time a push comes, or something becomes of it. Returns how to stop it. */
  onChange(listener: (record: PushRecord) => void): () => void;
  /** When the pushes were forgotten. Returns how to stop it. */
  onForget(listener: () => void): () => void;
  /** Cuts the browsers' sockets; they come back by themselves. */
  disconnect(): void;
  /**
   * Forgets every browser, as a service that lost its data would, and cuts the sockets: subscriptions are lost. Firefox learns it when it
   * comes back; Chromium, as in life, does not: its page must unsubscribe, then subscribe anew.
   */
  loseSubscriptions(): void;
  close(): Promise<void>;
}

/** Starts stand-ins for the push services: what browsers and phones' servers are told to talk to, and the remote control. */
export async function startPushEmulator(options: EmulatorOptions = {}): Promise<PushEmulator> {
  const {
    port = 0,
    httpsPort = 0,
    mcsPort = 0,
    apnsPort = 0,
    host = '127.0.0.1',
    dataDir,
    now = Date.now,
  } = options;
  const closing = new AbortController();
  const journal = new Journal();
  const context: ServiceContext = { now };
  const authority = dataDir === undefined ? createAuthority() : await openAuthority(dataDir);
  const identity = authority.issue([...TLS_HOSTS, ...(TLS_HOSTS.includes(host) ? [] : [host])]);

  const listeners = new Listeners(host);
  const plainServer = createServer();
  const plain = await listeners.open(plainServer, port, '--port');
  const secureServer = createSecureServer({ ...identity, allowHTTP1: true });
  gateConnections(secureServer);
  const secure = await listeners.open(secureServer, httpsPort, '--https-port');
  const mcsServer = createTlsServer(identity);
  const mcs = await listeners.open(mcsServer, mcsPort, '--mcs-port');
  const url = `http://${plain.authority}`;
  const httpsUrl = `https://${secure.authority}`;

  const mailbox = new Mailbox({ journal, now });
  const mozillaRegistry = createMozillaRegistry({ url, httpsUrl }, now);
  const devices = new Devices({ url, httpsUrl }, now);
  const registries = { mozilla: mozillaRegistry, chromium: devices.registry } as const;
  const firebaseTokens = new FirebaseTokens();
  const sendWebPush = createSendWebPush({ find: findSubscription, mailbox, journal, now });
  const virtualBrowsers = new VirtualBrowsers({ registries, mailbox });
  const caFile = createCaFile(authority.certificate, dataDir);
  const vendors = createVendors({
    url,
    authority,
    firebaseTokens,
    sendWebPush,
    ...(options.fcmQuotaPerMinute !== undefined && { fcmQuotaPerMinute: options.fcmQuotaPerMinute }),
    ...context,
  });
  const services: Service[] = [
    ...vendors.services,
    createMozilla({ registry: mozillaRegistry, mailbox, origin: url, ...context }),
    createChromium({ devices, mailbox, ...context }),
    createFirebase({ tokens: firebaseTokens, ...context }),
  ];
  const faults = new Faults((name, reason) =>
    [...services, vendors.apnsService].some(
      (service) => service.name === name && service.errorAnswer({ reason }) !== undefined,
    ),
  );

  const sockets = new WebSocketServer({ server: plainServer, maxPayload: MAX_FRAME_BYTES });
  sockets.on('connection', (socket) =>
    serveConnection(socket, { registry: mozillaRegistry, mailbox, journal }),
  );

  const messageSockets = new Set<Socket>();
  mcsServer.on('secureConnection', (socket) => {
    messageSockets.add(socket);
    socket.once('close', () => messageSockets.delete(socket));
    serveMessageSocket(socket, { devices, mailbox, now });
  });

  const serve = createServe({ journal, faults, now, closing: closing.signal });
  const onRequest = async (request: Request, response: Response) => {
    const path = URL.parse(request.url ?? '', url)?.pathname ?? '';
    try {
      const page = pageAnswer(request.method, path);
      if (page) await writeAnswer(response, page);
      else if (path.startsWith('/control/')) await handleControl(emulator, path, request, response);
      else if (!(await serve(services, request, response))) await writeAnswer(response, { status: 404 });
    } catch {
      // The sender broke off in the middle of its request.
      response.destroy();
    }
  };
  const apnsIdentity = { ...identity, ca: authority.certificate };
  const apnsServer = createApnsListener({
    identity: apnsIdentity,
    credentials: vendors.credentials,
    connections: vendors.connections,
    onRequest: (request, response) =>
      void serve([vendors.apnsService], request, response).catch(() => response.destroy()),
  });
  const apns = await listeners.open(apnsServer, apnsPort, '--apns-port');
  presentBadCertificates(apnsServer, apnsIdentity, () => faults.takeHandshake(['apns']));
  plainServer.on('request', onRequest);
  secureServer.on('request', onRequest);
  presentBadCertificates(secureServer, identity, () =>
    faults.takeHandshake(services.map(({ name }) => name)),
  );

  function findSubscription(endpoint: string) {
    const token = endpoint.slice(endpoint.lastIndexOf('/') + 1);
    for (const [service, registry] of Object.entries(registries)) {
      const subscription = registry.find(token);
      if (subscription) return { service: service as keyof typeof registries, subscription };
    }
    return undefined;
  }
  const disconnect = () => {
    for (const socket of sockets.clients) socket.terminate();
    for (const socket of messageSockets) socket.destroy();
  };
  const emulator: PushEmulator = {
    ...vendors.controls,
    url,
    httpsUrl,
    apnsUrl: `https://${apns.authority}`,
    wsUrl: `ws://${plain.authority}/`,
    mcsUrl: `https://${mcs.authority}`,
    ca: authority.certificate,
    caFile: () => caFile.path(),
    spkiHash: spkiHash(identity),
    faults,
    messages: () => journal.all(),
    forgetMessages: () => journal.clear(),
    subscriptions: () =>
      Object.entries(registries).flatMap(([service, registry]) =>
        registry.subscriptions().map(({ token: _, agent, pending: __, ...rest }) => ({
          ...rest,
          service: service as ServiceName,
          uaid: agent.id,
          isOnline: agent.deliver !== undefined,
        })),
      ),
    subscribe: (subscribeOptions) => virtualBrowsers.subscribe(subscribeOptions),
    unsubscribe(endpoint) {
      const { service, subscription } = findSubscription(endpoint) ?? {};
      if (!service || !subscription || subscription.goneAt !== undefined) return false;
      mailbox.gone(registries[service].end(subscription));
      return true;
    },
    waitFor: (predicate, { timeoutMs = WAIT_MS } = {}) => journal.waitFor(predicate, timeoutMs),
    onChange: (listener) => journal.onChange(listener),
    onForget: (listener) => journal.onClear(listener),
    disconnect,
    loseSubscriptions() {
      for (const registry of Object.values(registries)) mailbox.gone(registry.forgetAgents());
      disconnect();
    },
    async close() {
      closing.abort();
      disconnect();
      sockets.close();
      await listeners.close();
      await caFile.remove();
    },
  };
  return emulator;
}
