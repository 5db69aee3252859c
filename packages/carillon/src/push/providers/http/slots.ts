import type { Connection, HttpRequest, OnResult } from './transport.ts';

/** The right to send one request; must be used or given back. */
export interface Slot {
  /** Which connection it is on, for what a service binds to one. */
  readonly connection: object;
  send(request: HttpRequest, onResult: OnResult): void;
  release(): void;
  /** Has the slot's connection take no new requests: for services that bind a fault to the connection. */
  retireConnection(): void;
}

/** At least one. */
export type Slots = [Slot, ...Slot[]];

/** A connection in its pool. */
export interface Pooled {
  readonly connection: Connection;
  inFlight: number;
  idleTimer: NodeJS.Timeout | undefined;
  /** It ended without having answered anything, which was taken note of. */
  isFruitless: boolean;
  /** A worn connection in whose place it comes, until its first answer. */
  replaces: Connection | undefined;
}

export class PooledSlot implements Slot {
  readonly #pooled: Pooled;
  readonly #free: (pooled: Pooled) => void;

  constructor(pooled: Pooled, free: (pooled: Pooled) => void) {
    this.#pooled = pooled;
    this.#free = free;
  }

  get connection(): object {
    return this.#pooled.connection;
  }

  send(request: HttpRequest, onResult: OnResult): void {
    this.#pooled.connection.request(request, onResult, () => this.release());
  }

  release(): void {
    this.#free(this.#pooled);
  }

  retireConnection(): void {
    this.#pooled.connection.retire();
  }
}
