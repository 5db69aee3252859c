import { randomUUID } from 'node:crypto';
import type { NodeBus } from './node-bus.ts';
import type { NodeInfo } from './node-info.ts';
import { Question } from './node-question.ts';

const PING_MS = 3_000;
/** A node that has been silent for three pings is gone. */
const GONE_MS = 10_000;
const ANSWER_MS = 5_000;
const ACQUAINTANCE_MS = 1_000;

/** Does what all nodes are asked to, and gives back plain JSON. */
export type NodeTask = (request: never) => unknown;

export interface NodesOptions {
  /** Undefined for a node that is alone. */
  readonly bus: NodeBus | undefined;
  readonly uid: string;
  /** Looks at this node now. */
  readonly info: () => NodeInfo;
  readonly tasks: Readonly<Record<string, NodeTask>>;
  /** How long another node may take for its answer. */
  readonly answerMs?: number;
}

type Message =
  | { readonly kind: 'ping'; readonly info: NodeInfo; readonly isNew?: boolean }
  | { readonly kind: 'bye'; readonly from: string }
  | {
      readonly kind: 'ask';
      readonly from: string;
      readonly id: string;
      readonly task: string;
      readonly request: unknown;
    }
  | {
      readonly kind: 'answer';
      readonly from: string;
      readonly id: string;
      readonly result?: unknown;
      readonly error?: string;
    };

/**
 * Which nodes there are, and asking all of them.
 *
 * Each node pings all every three seconds. A node is *known* from its first ping, and *gone* when it says so or has been
 * silent for ten seconds; silence does not count while this node itself hears nothing. Who asks waits for all known
 * nodes: what one of them has not confirmed is not done, and the asker is told to ask again.
 */
export class Nodes {
  readonly #options: NodesOptions;
  readonly #others = new Map<string, { info: NodeInfo; seenAt: number }>();
  readonly #questions = new Map<string, Question>();
  #timer: NodeJS.Timeout | undefined;
  #onAcquaintance = () => {};

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** Makes itself known to the others, and gets to know them. @throws UnavailableError */
  async start(): Promise<void> {
    const { bus, uid } = this.#options;
    if (!bus) return;
    await bus.open(
      uid,
      (message) => this.#receive(JSON.parse(message) as Message),
      () => this.#onBack(),
    );
    await this.#send({ kind: 'ping', info: this.#options.info(), isNew: true });
    await this.#acquaint(bus);
    this.#timer = setInterval(() => this.#tick(), PING_MS);
    this.#timer.unref();
  }

  /** All nodes, this one first. */
  list(): NodeInfo[] {
    return [this.#options.info(), ...[...this.#others.values()].map(({ info }) => info)];
  }

  /**
   * Lets all nodes do something, and gives back what each of them gave, in any order.
   * @throws UnavailableError when a node does not answer: all may be asked again
   */
  async ask(task: string, request: object): Promise<unknown[]> {
    const { bus } = this.#options;
    if (!bus) return [await this.#run(task, request)];
    return this.#question(this.#others.keys(), task, request, async (message, question) => {
      question.reached((await bus.toAll(message)) - 1);
      const [own, others] = await Promise.all([this.#run(task, request), question.answers]);
      return [own, ...others];
    });
  }

  /**
   * Lets one node do something.
   * @returns undefined when there is no such node
   * @throws UnavailableError when it does not answer
   */
  async askOne(node: string, task: string, request: object): Promise<{ result: unknown } | undefined> {
    const { bus, uid } = this.#options;
    if (node === uid) return { result: await this.#run(task, request) };
    if (!bus || !this.#others.has(node)) return undefined;
    return this.#question([node], task, request, async (message, question) => {
      if (!(await bus.to(node, message))) return undefined;
      question.reached(1);
      const [result] = await question.answers;
      return { result };
    });
  }

  async close(): Promise<void> {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    await this.#send({ kind: 'bye', from: this.#options.uid });
  }

  async #question<T>(
    nodes: Iterable<string>,
    task: string,
    request: object,
    put: (message: string, question: Question) => Promise<T>,
  ): Promise<T> {
    const id = randomUUID();
    const { uid, answerMs = ANSWER_MS } = this.#options;
    const nameOf = (node: string) => this.#others.get(node)?.info.name ?? node;
    const question = new Question(nodes, nameOf, answerMs);
    this.#questions.set(id, question);
    const message: Message = { kind: 'ask', from: uid, id, task, request };
    try {
      return await put(JSON.stringify(message), question);
    } finally {
      question.drop();
      this.#questions.delete(id);
    }
  }

  async #run(task: string, request: object): Promise<unknown> {
    const run = this.#options.tasks[task];
    if (!run) throw new Error(`node ${this.#options.uid} knows no task ${JSON.stringify(task)}`);
    return run(request as never);
  }

  #receive(message: Message): void {
    const { uid } = this.#options;
    if (message.kind === 'ping') {
      if (message.info.uid === uid) return;
      this.#others.set(message.info.uid, { info: message.info, seenAt: performance.now() });
      if (message.isNew) void this.#send({ kind: 'ping', info: this.#options.info() }, message.info.uid);
      this.#onAcquaintance();
    } else if (message.from !== uid) {
      if (message.kind === 'bye') this.#forget(message.from);
      else if (message.kind === 'ask') void this.#answer(message);
      else this.#questions.get(message.id)?.answered(message.from, message.result, message.error);
    }
  }

  async #answer({ from, id, task, request }: Message & { kind: 'ask' }): Promise<void> {
    const answer = { kind: 'answer', from: this.#options.uid, id } as const;
    try {
      const result = await this.#run(task, request as object);
      await this.#send({ ...answer, result }, from);
    } catch (error) {
      await this.#send({ ...answer, error: (error as Error).message }, from);
    }
  }

  /** Whoever listens already answers the first ping; a node that is just dying may not. */
  async #acquaint(bus: NodeBus): Promise<void> {
    const listening = await bus.count();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAcquaintance = () => {
      if (this.#others.size >= listening - 1) resolve();
    };
    const timer = setTimeout(resolve, ACQUAINTANCE_MS);
    this.#onAcquaintance();
    await promise;
    clearTimeout(timer);
    this.#onAcquaintance = () => {};
  }

  #tick(): void {
    void this.#send({ kind: 'ping', info: this.#options.info() });
    if (!this.#options.bus?.isReady) return;
    const now = performance.now();
    for (const [uid, { seenAt }] of this.#others) if (now - seenAt > GONE_MS) this.#forget(uid);
  }

  /** Others could not be heard meanwhile: their silence counts from now. */
  #onBack(): void {
    const now = performance.now();
    for (const [uid, { info }] of this.#others) this.#others.set(uid, { info, seenAt: now });
    void this.#send({ kind: 'ping', info: this.#options.info() });
  }

  #forget(uid: string): void {
    this.#others.delete(uid);
    for (const question of this.#questions.values()) question.gone(uid);
  }

  /** To one node, or to all. What cannot be sent is lost: pings come again, and who asked is told by silence. */
  async #send(message: Message, to?: string): Promise<void> {
    const { bus } = this.#options;
    const text = JSON.stringify(message);
    try {
      await (to === undefined ? bus?.toAll(text) : bus?.to(to, text));
    } catch {
      // See above.
    }
  }
}
