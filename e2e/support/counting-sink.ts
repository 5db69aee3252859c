import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a push service does with one request. */
export type Answer =
  | { readonly kind: 'accept' }
  | { readonly kind: 'refuse'; readonly status: number; readonly retryAfter?: string }
  /** Delivers, and drops the connection before it answers. */
  | { readonly kind: 'drop' }
  /** Drops the connection without delivering. */
  | { readonly kind: 'reset' }
  /** Never answers, and delivers nothing. */
  | { readonly kind: 'silence' };

export interface Visit {
  /** How often a push was delivered to this device. */
  delivered: number;
  requests: number;
  /** The Topic of each request. */
  readonly topics: Set<string>;
  /** Whether a request is under way, or was answered a moment ago. */
  openSince: number | undefined;
  answeredAt: number;
}

export interface CountingSink {
  readonly origin: string;
  readonly visits: ReadonlyMap<string, Visit>;
  answer: (name: string, attempt: number) => Answer;
  /** Deliveries a second at the most; later ones wait. */
  perSecond: number;
  /** Devices whose push is under way now, or was answered within `ms`. */
  doubtful(ms: number): string[];
  delivered(): number;
  close(): void;
}

/** A push service that counts what each device gets, and fails as it is told. */
export async function startCountingSink(): Promise<CountingSink> {
  const visits = new Map<string, Visit>();
  const waiting: (() => void)[] = [];
  let credit = 0;
  let lastTick = performance.now();
  const sink = {
    answer: (): Answer => ({ kind: 'accept' }),
    perSecond: Number.POSITIVE_INFINITY,
  } as Pick<CountingSink, 'answer' | 'perSecond'>;
  const timer = setInterval(() => {
    const now = performance.now();
    credit = Math.min(credit + ((now - lastTick) / 1000) * sink.perSecond, sink.perSecond / 10);
    lastTick = now;
    while (credit >= 1 && waiting.length > 0) {
      credit -= 1;
      waiting.shift()?.();
    }
  }, 5);
  const turn = () =>
    sink.perSecond === Number.POSITIVE_INFINITY
      ? Promise.resolve()
      : new Promise<void>((resolve) => waiting.push(resolve));

  const server = createServer((request, response) => {
    request.resume();
    request.on('end', async () => {
      const name = (request.url ?? '').slice(1);
      const visit = visits.get(name) ?? {
        delivered: 0,
        requests: 0,
        topics: new Set(),
        openSince: undefined,
        answeredAt: Number.NEGATIVE_INFINITY,
      };
      visits.set(name, visit);
      visit.requests += 1;
      visit.topics.add(String(request.headers.topic));
      visit.openSince = performance.now();
      const answer = sink.answer(name, visit.requests);
      await turn();
      // Who hung up while it waited its turn got nothing delivered.
      if (response.destroyed) return;
      give(answer, visit, response);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return Object.assign(sink, {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    visits,
    doubtful(ms: number) {
      const now = performance.now();
      return [...visits]
        .filter(([, { openSince, answeredAt }]) => openSince !== undefined || now - answeredAt < ms)
        .map(([name]) => name);
    },
    delivered: () => [...visits.values()].filter((visit) => visit.delivered > 0).length,
    close() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
    },
  });
}

function give(answer: Answer, visit: Visit, response: ServerResponse): void {
  if (answer.kind === 'silence') return;
  visit.openSince = undefined;
  visit.answeredAt = performance.now();
  if (answer.kind === 'accept' || answer.kind === 'drop') visit.delivered += 1;
  if (answer.kind === 'drop' || answer.kind === 'reset') {
    response.socket?.destroy();
    return;
  }
  if (answer.kind === 'accept') {
    response.writeHead(201, { Location: `/m/${randomBytes(4).toString('hex')}` }).end();
    return;
  }
  const headers = answer.retryAfter === undefined ? {} : { 'Retry-After': answer.retryAfter };
  response.writeHead(answer.status, headers).end();
}
