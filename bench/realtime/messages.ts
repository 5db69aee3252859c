/** What the suite asks of the process with the clients, and what it answers. */
import type { Dialect } from './dialect.ts';

export type ClientsRequest =
  | { readonly kind: 'open'; readonly count: number; readonly server: Server }
  | { readonly kind: 'fanout'; readonly publications: number }
  | { readonly kind: 'latency'; readonly publications: number; readonly pauseMs: number }
  | { readonly kind: 'close' };

export interface Server {
  readonly port: number;
  readonly dialect: Dialect;
}

export interface OpenedAnswer {
  readonly type: 'opened';
  readonly seconds: number;
}

export interface FanoutAnswer {
  readonly type: 'fanned out';
  readonly seconds: number;
  readonly deliveries: number;
}

export interface LatencyAnswer {
  readonly type: 'latencies';
  readonly ms: readonly number[];
}
