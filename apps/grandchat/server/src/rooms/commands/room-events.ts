import type { Database, Queryable } from 'carillon';

/** What is told of a change in a room. */
export interface RoomEvent {
  readonly roomId: number;
  readonly type: 'message_added' | 'user_joined' | 'user_left' | 'room_read';
  readonly body: object;
  /** The same on every way that the event takes and at every repeat, so that each channel has it once. */
  readonly idempotencyKey: string;
  /** Whether it is for the room's members. */
  readonly toMembers: boolean;
  /** Ids of users who are to hear of it besides. */
  readonly toUsers: readonly number[];
}

/** How events reach the people they are for: one a mode. */
export interface Broadcaster {
  /** Called in the transaction of the change, in which nobody else changes the room. */
  write(tx: Queryable, event: RoomEvent): Promise<void>;
  /** Called when the change is committed, in the order of a room's changes; does not wait for anything. */
  send(event: RoomEvent): void;
  /** Waits for what is under way, within bounds. */
  close(): Promise<void>;
}

/** Says that an event is to be told, if its transaction is committed. */
export type Tell = (event: RoomEvent) => Promise<void>;

/** Changes of rooms, and telling of them. */
export class RoomEvents {
  readonly #db: Database;
  readonly #broadcaster: Broadcaster;

  constructor(db: Database, broadcaster: Broadcaster) {
    this.#db = db;
    this.#broadcaster = broadcaster;
  }

  /**
   * Runs a change in a transaction, as `Database.transaction` does; what it tells is told only when it is committed.
   *
   * The order of a room's events is that of its commits: a change holds the room's lock until it is committed, the next one
   * needs several turns with the database from there to its own commit, and this process sees the answers in the order in
   * which they come.
   */
  async transaction<T>(work: (tx: Queryable, tell: Tell) => Promise<T>): Promise<T> {
    let told: RoomEvent[] = [];
    const result = await this.#db.transaction((tx) => {
      // A transaction that lost a deadlock is run again.
      told = [];
      return work(tx, async (event) => {
        await this.#broadcaster.write(tx, event);
        told.push(event);
      });
    });
    for (const event of told) this.#broadcaster.send(event);
    return result;
  }
}
