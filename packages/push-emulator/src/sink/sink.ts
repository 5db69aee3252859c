import { createAuthority, type KeyAndCertificate } from '../certificates/authority.ts';
import { listen } from '../listener.ts';
import { TLS_HOSTS } from '../tls.ts';
import { createSinkServices } from './answers.ts';
import { TargetCounter } from './counter.ts';
import { createFront } from './front.ts';

export interface SinkOptions {
  /** 0, the default: any that is free. */
  readonly port?: number;
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** A server certificate; one of a new authority when absent. */
  readonly identity?: KeyAndCertificate;
  /** Streams that a connection may open; 100 when absent, as FCM allows; APNs allows 1000. */
  readonly maxStreams?: number;
  /** The share of targets that are unregistered, 0 to 1: always the same ones. 0 when absent. */
  readonly unregisteredShare?: number;
}

export interface SinkCounts {
  /** Pushes that came; of a request to many, one for each. */
  readonly received: number;
  /** Targets that were reached. */
  readonly distinct: number;
  /** Pushes beyond the first of their target. */
  readonly doubled: number;
  /** Pushes that were answered with "unregistered". */
  readonly unregistered: number;
}

export interface Sink {
  /** `https://127.0.0.1:…`, for FCM, APNs, HMS, web push and both token endpoints alike. */
  readonly url: string;
  readonly port: number;
  /** The certificate to trust, PEM: the authority's, or what came with `identity`. */
  readonly ca: string;
  counts(): SinkCounts;
  /** Resolves once so many targets were reached. */
  untilDistinct(count: number): Promise<void>;
  clear(): void;
  close(): Promise<void>;
}

/**
 * Push services for benchmarks: takes everything at once, in the vendors' forms, over HTTP/2 or HTTP/1.1 with TLS. It looks at the path
 * and, for FCM and HMS, for tokens in the body; it checks no credentials and keeps nothing but counts.
 */
export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const { port = 0, host = '127.0.0.1', maxStreams = 100, unregisteredShare = 0 } = options;
  const authority = options.identity ? undefined : createAuthority();
  const identity = options.identity ?? authority!.issue(TLS_HOSTS);
  const counter = new TargetCounter();
  const services = createSinkServices(counter, unregisteredShare);
  let waiting: { count: number; resolve: () => void }[] = [];
  const tell = () => {
    waiting = waiting.filter(({ count, resolve }) => {
      if (counter.distinct < count) return true;
      resolve();
      return false;
    });
  };

  const onAnswer = () => {
    if (waiting.length > 0) tell();
  };
  const server = createFront({ identity, maxStreams, find: services.find, onAnswer });
  const listener = await listen(server, port, host, 'port');

  return {
    url: `https://${listener.authority}`,
    port: listener.port,
    ca: authority?.certificate ?? identity.cert,
    counts: () => ({
      received: counter.received,
      distinct: counter.distinct,
      doubled: counter.doubled,
      unregistered: services.gone,
    }),
    untilDistinct(count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ count, resolve });
      tell();
      return promise;
    },
    clear() {
      counter.clear();
      services.clear();
    },
    close: () => listener.close(),
  };
}

/** The file to `fork` for a sink in a process of its own; `SinkRequest` and `SinkReply` are what it understands and says. */
export function sinkProcess(): URL {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return new URL(`./process${extension}`, import.meta.url);
}
