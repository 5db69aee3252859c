import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis, type TestRedis } from '../../packages/carillon/test/support/redis.ts';
import { startTestPostgres, type TestPostgres } from '../../scripts/setup/test-postgres.ts';
import { Person } from './person.ts';
import { type PushSink, startPushSink } from './push-sink.ts';
import { type Stack, startStack } from './stack.ts';
import { Watcher } from './watcher.ts';

/** What a worker may have sent without a note of it: notes are taken every 20 ms, and take their way to the queue. */
const NOTE_LAG_MS = 300;
const RETRY_MS = 50;
/** Less than the 300 that a history keeps: what was read is told of in the same channel. */
const RECOVERABLE = 200;

export interface SceneOptions {
  /** Further environment of GrandChat and Carillon. */
  readonly env: NodeJS.ProcessEnv;
  /** Publications, presence and the push queue are in a Redis of the scene's own, instead of in memory and PostgreSQL. */
  readonly withRedis?: boolean;
}

/** Three people with a room open, and one who is away and has a phone, before GrandChat and Carillon on a PostgreSQL of their own. */
export class ModeScene {
  readonly stack: Stack;
  readonly postgres: TestPostgres;
  readonly redis: TestRedis | undefined;
  readonly sink: PushSink;
  readonly roomId: number;
  readonly watchers: readonly Watcher[];
  /** Ids of what was written, in the order in which the server took it. */
  readonly written: number[] = [];
  readonly #away: Person;
  /** When Carillon was killed, by `performance.now()`. */
  readonly #kills: number[] = [];

  private constructor(
    scene: Pick<ModeScene, 'stack' | 'postgres' | 'redis' | 'sink' | 'roomId' | 'watchers'>,
    away: Person,
  ) {
    this.stack = scene.stack;
    this.postgres = scene.postgres;
    this.redis = scene.redis;
    this.sink = scene.sink;
    this.roomId = scene.roomId;
    this.watchers = scene.watchers;
    this.#away = away;
  }

  static async open({ env, withRedis = false }: SceneOptions): Promise<ModeScene> {
    const closers: (() => unknown)[] = [];
    try {
      const postgres = await startTestPostgres();
      closers.push(() => postgres.stop());
      const redis = withRedis ? await startRedis({ appendfsync: 'always' }) : undefined;
      closers.push(() => redis?.drop());
      const sink = await startPushSink();
      closers.push(() => sink.close());
      const stack = await startStack({
        dsn: postgres.dsn,
        env: {
          CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
          // What a killed worker had is taken over soon.
          CARILLON_PUSH_NOTIFICATIONS_QUEUE_LEASE: '1s',
          GRANDCHAT_MESSAGES_PER_MINUTE: '100000',
          GRANDCHAT_REQUESTS_PER_MINUTE: '100000',
          // What is away on purpose would be told of at length.
          CARILLON_LOG_LEVEL: 'none',
          ...(redis && redisEnvironment(redis)),
          ...env,
        },
      });
      closers.push(() => stack.close());
      const people = [];
      for (const name of ['ann', 'bob', 'cid', 'dora']) people.push(await Person.signUp(stack.origin, name));
      const [ann, bob, cid, dora] = people as [Person, Person, Person, Person];
      const roomId = await ann.createRoom('Nothing gets lost');
      for (const person of [bob, cid, dora]) await person.join(roomId);
      const token = sink.subscription('dora');
      await dora.post('/api/device/register/', { device: { provider: 'webpush', token, platform: 'web' } });
      const watchers = await Promise.all([ann, bob, cid].map((person) => Watcher.open(person, roomId)));
      return new ModeScene({ stack, postgres, redis, sink, roomId, watchers }, dora);
    } catch (error) {
      for (const closer of closers.reverse()) await closer();
      throw error;
    }
  }

  /** Somebody writes until the server has taken it, whatever is away meanwhile; the server takes it once. */
  async write(n: number): Promise<void> {
    const author = (this.watchers[n % 2] as Watcher).person;
    const body = { content: `message ${n}`, client_id: randomUUID() };
    for (;;) {
      try {
        const { id } = await author.post<{ id: number }>(`/api/rooms/${this.roomId}/messages/`, body);
        this.written.push(id);
        return;
      } catch {
        await delay(RETRY_MS);
      }
    }
  }

  /**
   * Writes before something happens, while it does, and after: `count` messages at least, and no more than a channel's
   * history holds, so that a client that was cut off can recover them all.
   */
  async writeDuring(happening: () => Promise<unknown>, count: number): Promise<void> {
    let isOver = false;
    const going = happening().finally(() => {
      isOver = true;
    });
    for (let n = 0; n < count || (!isOver && n < RECOVERABLE); n++) await this.write(this.written.length);
    await going;
  }

  async killCarillon(): Promise<void> {
    await this.stack.killCarillon();
    this.#kills.push(performance.now());
    await this.stack.startCarillon();
  }

  async killGrandChat(): Promise<void> {
    await this.stack.killGrandChat();
    await this.stack.startGrandChat();
  }

  async killPostgres(): Promise<void> {
    this.postgres.stop({ keep: true });
    this.postgres.start();
  }

  async killRedis(): Promise<void> {
    await this.redis?.kill();
    await this.redis?.start();
  }

  /** Somebody joins and leaves: two more events for everybody. */
  async visit(name: string): Promise<Person> {
    const visitor = await Person.signUp(this.stack.origin, name);
    await visitor.join(this.roomId);
    await visitor.post(`/api/rooms/${this.roomId}/leave/`);
    return visitor;
  }

  /** Waits until every screen has as many messages as were written. */
  async untilComplete(): Promise<void> {
    for (const watcher of this.watchers) {
      await watcher.loadAll(this.roomId);
      await watcher.until(() => watcher.messages(this.roomId).length >= this.written.length);
    }
  }

  /** Waits until so many events, what people have read aside, came to each client. The screens may have them by other ways. */
  async untilWire(since: readonly number[], count: number): Promise<void> {
    for (const [index, watcher] of this.watchers.entries())
      await watcher.until(
        () => watcher.events.slice(since[index]).filter(({ type }) => type !== 'room_read').length >= count,
      );
    assert.ok(this.watchers.every((watcher) => watcher.isConnected()));
  }

  /** Every screen shows every message once and in order, and the number of members. */
  async assertScreens(members: number): Promise<void> {
    const last = this.written.at(-1) as number;
    for (const watcher of this.watchers) {
      await watcher.until(
        () =>
          watcher.messages(this.roomId).at(-1)?.id === last &&
          watcher.room(this.roomId)?.member_count === members,
      );
      await watcher.loadAll(this.roomId);
      assert.deepEqual(
        watcher.messages(this.roomId).map(({ id }) => id),
        this.written,
        `${watcher.person.username}'s screen`,
      );
    }
  }

  /** Every event came to every client over the WebSocket, once and in the order of the room's changes. */
  assertWire(since: readonly number[], messages: readonly number[], others: number): void {
    this.watchers.forEach((watcher, index) => {
      const events = watcher.events.slice(since[index]).filter(({ type }) => type !== 'room_read');
      const ids = events.flatMap((event) => (event.type === 'message_added' ? [event.body.id] : []));
      const name = `to ${watcher.person.username}`;
      assert.deepEqual(ids, messages, name);
      const versions = events.flatMap((event) => ('room' in event.body ? [event.body.room.version] : []));
      assert.deepEqual(
        versions,
        versions.toSorted((a, b) => a - b),
        name,
      );
      assert.equal(new Set(versions).size, messages.length + others, name);
      assert.equal(versions.length, messages.length + others, name);
    });
  }

  /** Who is away has been rung once for each message; doubles only for what was under way when Carillon was killed. */
  async assertPushes(): Promise<{ doubled: number }> {
    const rung = () => new Set(this.sink.pushes.map((push) => push.payload.notification.data.message_id));
    while (rung().size < this.written.length) await this.sink.next();
    assert.deepEqual(
      [...rung()].sort((a, b) => a - b),
      this.written,
      `pushes to ${this.#away.username}`,
    );
    let doubled = 0;
    for (const id of this.written) {
      const [first, ...more] = this.sink.pushes.filter(
        (push) => push.payload.notification.data.message_id === id,
      );
      doubled += more.length;
      const wasUnderWay = this.#kills.some(
        (kill) => (first?.at ?? 0) > kill - NOTE_LAG_MS - 1_000 && (first?.at ?? 0) < kill,
      );
      assert.ok(more.length === 0 || wasUnderWay, `message ${id} rang ${more.length + 1} times`);
    }
    return { doubled };
  }

  /** How many events each client has had so far. */
  mark(): number[] {
    return this.watchers.map(({ events }) => events.length);
  }

  async close(): Promise<void> {
    for (const watcher of this.watchers) watcher.close();
    await this.stack.close();
    this.sink.close();
    await this.redis?.drop();
    this.postgres.stop();
  }
}

function redisEnvironment({ address }: TestRedis): NodeJS.ProcessEnv {
  return {
    CARILLON_ENGINE_TYPE: 'redis',
    CARILLON_ENGINE_REDIS_ADDRESS: address,
    CARILLON_PUSH_NOTIFICATIONS_QUEUE_TYPE: 'redis',
    CARILLON_PUSH_NOTIFICATIONS_QUEUE_REDIS_ADDRESS: address,
  };
}
