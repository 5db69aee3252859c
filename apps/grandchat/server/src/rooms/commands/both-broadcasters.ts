import type { Queryable } from 'carillon';
import type { Broadcaster, RoomEvent } from './room-events.ts';

/**
 * Mode `api_cdc`: every event goes both ways under one idempotency key. The fast one may lose it, the other brings it in any
 * case, and the second copy to come to a channel is dropped there.
 */
export class BothBroadcasters implements Broadcaster {
  readonly #both: readonly [Broadcaster, Broadcaster];

  constructor(fast: Broadcaster, reliable: Broadcaster) {
    this.#both = [fast, reliable];
  }

  async write(tx: Queryable, event: RoomEvent): Promise<void> {
    for (const broadcaster of this.#both) await broadcaster.write(tx, event);
  }

  send(event: RoomEvent): void {
    for (const broadcaster of this.#both) broadcaster.send(event);
  }

  async close(): Promise<void> {
    await Promise.all(this.#both.map((broadcaster) => broadcaster.close()));
  }
}
