/** People in a room: one writes, and it is noted when whom a message reaches. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Centrifuge, Subscription } from 'centrifuge';
import { DEMO_PASSWORD, scaleUsername } from 'grandchat-server';
import { Person } from '../../e2e/support/person.ts';
import type { Database } from '../../packages/carillon/src/index.ts';
import { monotonicMs } from '../push/sink-messages.ts';
import { Peer } from '../support/child.ts';
import type { MembersAnswer, MembersRequest } from './messages.ts';
import type { RunningApp, Stage } from './stage.ts';

/** ms from the POST. */
export interface Times {
  /** Its answer. */
  readonly creation: number;
  /** The writer's own WebSocket: the first in the list of members. */
  readonly writer: number;
  /** That of the last in the list of members. */
  readonly last: number;
  /** The last of all members who are online. */
  readonly everybody: number;
}

/** Somebody with GrandChat open: the official client, through GrandChat's own address. */
export class Listener {
  readonly person: Person;
  readonly #client: Centrifuge;
  readonly #subscription: Subscription;
  readonly #waiting = new Map<string, (at: number) => void>();

  private constructor(person: Person) {
    this.person = person;
    const { client, subscription } = person.realtime();
    this.#client = client;
    this.#subscription = subscription;
    subscription.on('publication', ({ data }) => {
      if (data.type === 'message_added') this.#waiting.get(data.body.content)?.(monotonicMs());
    });
  }

  /** Logs in the nth user that was seeded, and connects. */
  static async open(app: RunningApp, n: number): Promise<Listener> {
    const listener = new Listener(await Person.logIn(app.origin, scaleUsername(n), DEMO_PASSWORD));
    listener.#client.connect();
    await listener.#subscription.ready(20_000);
    return listener;
  }

  /** When this text reaches them, by `monotonicMs`. */
  hears(content: string): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.set(content, (at) => {
        this.#waiting.delete(content);
        resolve(at);
      });
    });
  }

  close(): void {
    this.#client.disconnect();
  }
}

/** Members who are online besides: bare clients in a process of their own, spread evenly over the list of members. */
export class Crowd {
  readonly #peer: Peer<MembersRequest>;

  private constructor(peer: Peer<MembersRequest>) {
    this.#peer = peer;
  }

  static async open(stage: Stage, app: RunningApp, members: number, online: number): Promise<Crowd> {
    const peer = new Peer<MembersRequest>('the members', new URL('./members-process.ts', import.meta.url));
    const count = Math.min(online, members);
    const users = Array.from({ length: count }, (_, n) =>
      stage.userId(Math.ceil(((n + 1) * members) / count)),
    );
    const { carillonPort: port, tokenSecret: secret } = app;
    await peer.ask<MembersAnswer & { type: 'opened' }>({ kind: 'open', port, secret, users }, 'opened');
    return new Crowd(peer);
  }

  /** From now on waits for the next message; `at` says when it has reached them all. */
  async expect(): Promise<{ at: Promise<number> }> {
    const arrived = this.#peer.next<MembersAnswer & { type: 'arrived' }>('arrived').then(({ at }) => at);
    // Whoever asked hears of a failure by the process.
    arrived.catch(() => {});
    await this.#peer.ask<MembersAnswer & { type: 'expecting' }>({ kind: 'expect' }, 'expecting');
    return { at: arrived };
  }

  stop(): Promise<void> {
    return this.#peer.stop();
  }
}

let written = 0;

/** A text like those that people write, and like no other. */
export function newContent(): string {
  written += 1;
  return `Has anybody seen the good beans? That was question ${written}.`;
}

/** Writes one message and waits until all who are online have it. */
export async function say(
  room: number,
  { writer, last, crowd }: { writer: Listener; last: Listener; crowd: Crowd | undefined },
): Promise<Times> {
  const content = newContent();
  const heard = [writer.hears(content), last.hears(content)] as const;
  const everybody = await crowd?.expect();
  const since = monotonicMs();
  await writer.person.write(room, content);
  const creation = monotonicMs() - since;
  const [byWriter, byLast] = await Promise.all(heard);
  const byAll = (await everybody?.at) ?? Math.max(byWriter, byLast);
  return { creation, writer: byWriter - since, last: byLast - since, everybody: byAll - since };
}

/** What Carillon has had of broadcasts. */
interface Broadcasts {
  readonly count: number;
  /** Spent on them; where they come twice, on those that came by HTTP. */
  readonly seconds: number;
}

async function broadcasts(app: RunningApp): Promise<Broadcasts> {
  const text = await (await fetch(`${app.carillonUrl}/metrics`)).text();
  const read = (what: string, protocol: string) => {
    const labels = `{protocol="${protocol}",method="broadcast"}`;
    return Number(new RegExp(`^${METRIC}_${what}${labels} (.*)$`, 'm').exec(text)?.[1] ?? 0);
  };
  return {
    count: read('count', 'http') + read('count', 'consuming'),
    seconds: read('sum', 'http') || read('sum', 'consuming'),
  };
}

/** Waits until GrandChat has no command left that Carillon has not carried out; of chat_cdc nothing tells. */
export async function untilHandedOver(db: Database): Promise<void> {
  for (;;) {
    const [row] = await db.query<{ any: boolean }>(
      'SELECT EXISTS (SELECT FROM chat_event) OR EXISTS (SELECT FROM chat_outbox) AS any',
    );
    if (!row?.any) return;
    await delay(POLL_MS);
  }
}

const METRIC = 'centrifugo_api_command_duration_seconds_histogram';
const POLL_MS = 5;
const QUIET_MS = 20;
const QUIET_LOOKS = 3;

/** Waits until Carillon has no broadcast left of what was written; gives its counts then. */
export async function untilQuiet(app: RunningApp): Promise<Broadcasts> {
  let before = await broadcasts(app);
  for (let looks = 0; looks < QUIET_LOOKS; ) {
    await delay(QUIET_MS);
    const now = await broadcasts(app);
    looks = now.count === before.count ? looks + 1 : 0;
    before = now;
  }
  return before;
}
