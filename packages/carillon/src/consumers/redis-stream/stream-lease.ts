import { randomUUID } from 'node:crypto';
import type { RedisLink } from '../../storage/redis/link.ts';
import { script } from '../../storage/redis/script.ts';

const TAKE = script(`
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1`);
const GIVE_BACK = script(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('DEL', KEYS[1])`);

export const LEASE_SCRIPTS = [TAKE, GIVE_BACK];

/** The right to read a stream for a group, of one reader at a time, for as long as it is renewed. */
export class StreamLease {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #ttl: number;
  readonly #token = randomUUID();
  #until = 0;

  /** `ttl`: milliseconds without a renewal after which another may take it. */
  constructor(link: RedisLink, key: string, ttl: number) {
    this.#link = link;
    this.#key = key;
    this.#ttl = ttl;
  }

  /** Whether nobody else can have it now. */
  get isHeld(): boolean {
    return performance.now() < this.#until;
  }

  /** Takes or renews it; false while another has it. @throws UnavailableError */
  async take(): Promise<boolean> {
    const asked = performance.now();
    const taken = await this.#link.run(TAKE, [this.#key], [this.#token, String(this.#ttl)]);
    this.#until = taken === 1 ? asked + this.#ttl : 0;
    return taken === 1;
  }

  async giveBack(): Promise<void> {
    this.#until = 0;
    await this.#link.run(GIVE_BACK, [this.#key], [this.#token]);
  }
}
