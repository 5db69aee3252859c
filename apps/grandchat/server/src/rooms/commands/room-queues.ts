export interface RoomQueuesOptions<Item> {
  /** Items of one room that may wait; further ones are refused. */
  readonly maxPerRoom: number;
  /** Items of all rooms together that may wait. */
  readonly max: number;
  /** Rooms that are worked on side by side. */
  readonly concurrency: number;
  /** Works on the first items of a room, and gives back how many of them are done with. Never rejects. */
  readonly work: (items: readonly Item[]) => Promise<number>;
}

/** Work that waits, in order within each room, rooms side by side. */
export class RoomQueues<Item> {
  readonly #options: RoomQueuesOptions<Item>;
  readonly #queues = new Map<number, Item[]>();
  /** Rooms that wait for a turn, first come first. */
  readonly #turns: number[] = [];
  #running = 0;
  #size = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: RoomQueuesOptions<Item>) {
    this.#options = options;
  }

  /** Items that are not done with. */
  get size(): number {
    return this.#size;
  }

  /** False when there is no place for it. */
  add(roomId: number, item: Item): boolean {
    const { max, maxPerRoom } = this.#options;
    const queue = this.#queues.get(roomId);
    if (this.#size >= max || (queue?.length ?? 0) >= maxPerRoom) return false;
    this.#size += 1;
    if (queue) {
      queue.push(item);
      return true;
    }
    this.#queues.set(roomId, [item]);
    this.#turns.push(roomId);
    this.#next();
    return true;
  }

  /** Resolves when nothing is left. */
  async idle(): Promise<void> {
    if (this.#size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #next(): void {
    while (this.#running < this.#options.concurrency) {
      const roomId = this.#turns.shift();
      if (roomId === undefined) return;
      void this.#turn(roomId);
    }
  }

  async #turn(roomId: number): Promise<void> {
    this.#running += 1;
    const queue = this.#queues.get(roomId) as Item[];
    const done = await this.#options.work(queue);
    queue.splice(0, done);
    this.#size -= done;
    if (queue.length > 0) this.#turns.push(roomId);
    else this.#queues.delete(roomId);
    this.#running -= 1;
    if (this.#size === 0) this.#onIdle?.();
    this.#next();
  }
}
