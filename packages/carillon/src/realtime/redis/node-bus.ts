import type { RedisLink } from '../../storage/redis/link.ts';
import type { NodeBus } from '../node-bus.ts';

/** Messages between nodes over PUB/SUB of one Redis. */
export class RedisNodeBus implements NodeBus {
  readonly #commands: RedisLink;
  readonly #subscriptions: RedisLink;
  readonly #prefix: string;

  /** Uses the links, and leaves closing them to their owner. */
  constructor(commands: RedisLink, subscriptions: RedisLink, prefix: string) {
    this.#commands = commands;
    this.#subscriptions = subscriptions;
    this.#prefix = prefix;
  }

  get isReady(): boolean {
    return this.#subscriptions.isReady;
  }

  async open(uid: string, onMessage: (message: string) => void, onBack: () => void): Promise<void> {
    await this.#subscriptions.subscribe([this.#all, this.#one(uid)], onMessage);
    this.#subscriptions.onBack(onBack);
  }

  async toAll(message: string): Promise<number> {
    return (await this.#commands.command(['PUBLISH', this.#all, message])) as number;
  }

  async to(uid: string, message: string): Promise<boolean> {
    return (await this.#commands.command(['PUBLISH', this.#one(uid), message])) !== 0;
  }

  async count(): Promise<number> {
    const reply = await this.#commands.command(['PUBSUB', 'NUMSUB', this.#all]);
    return Number((reply as [string, number])[1]);
  }

  get #all(): string {
    return `${this.#prefix}.control`;
  }

  #one(uid: string): string {
    return `${this.#prefix}.node.${uid}`;
  }
}
