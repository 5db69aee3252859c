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

/** A connection in its pool; all its slots are one object. */
export class Pooled implements Slot {
  readonly connection: Connection;
  /** Slots that are taken. */
  inFlight = 0;
  idleTimer: NodeJS.Timeout | undefined;
  /** It ended without having answered anything, which was taken note of. */
  isFruitless = false;
  /** A worn connection in whose place it comes, until its first answer. */
  replaces: Connection | undefined;
  readonly release: () => void;

  /** @param onFree called when a slot is free */
  constructor(connection: Connection, replaces: Connection | undefined, onFree: (pooled: Pooled) => void) {
    this.connection = connection;
    this.replaces = replaces;
    this.release = () => {
      this.inFlight -= 1;
      onFree(this);
    };
  }

  send(request: HttpRequest, onResult: OnResult): void {
    this.connection.request(request, onResult, this.release);
  }

  retireConnection(): void {
    this.connection.retire();
  }
}
