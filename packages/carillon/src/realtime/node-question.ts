import { UnavailableError } from '../errors.ts';

/** What is waited for after nodes were asked: an answer of each that is known, and of each further one that got the question. */
export class Question {
  /** What they gave. @throws UnavailableError when one is silent, Error when one failed */
  readonly answers: Promise<unknown[]>;
  readonly #known: number;
  readonly #missing: Set<string>;
  readonly #given: unknown[] = [];
  readonly #end: { resolve(answers: unknown[]): void; reject(error: unknown): void };
  readonly #timer: NodeJS.Timeout;
  /** Answers of nodes that were not known; how many are due is known once the question is out. */
  #strangers = 0;
  #strangersDue = Number.POSITIVE_INFINITY;
  #failure: string | undefined;

  /** @param nameOf how an error calls a node */
  constructor(nodes: Iterable<string>, nameOf: (node: string) => string, answerMs: number) {
    this.#missing = new Set(nodes);
    this.#known = this.#missing.size;
    const { promise, ...end } = Promise.withResolvers<unknown[]>();
    this.answers = promise;
    this.#end = end;
    this.#timer = setTimeout(() => {
      const names = [...this.#missing].map(nameOf).join(', ') || 'unknown';
      const cause = new Error(`it gave no answer within ${answerMs} ms`);
      end.reject(new UnavailableError(`node ${names}`, cause));
    }, answerMs);
  }

  /** Says how many other nodes got the question. */
  reached(count: number): void {
    this.#strangersDue = Math.max(0, count - this.#known);
    this.#check();
  }

  answered(node: string, result: unknown, failure: string | undefined): void {
    if (!this.#missing.delete(node)) this.#strangers += 1;
    this.#given.push(result);
    this.#failure ??= failure;
    this.#check();
  }

  /** A node is no more, and its clients neither. */
  gone(node: string): void {
    if (this.#missing.delete(node)) this.#check();
  }

  /** Waits no longer. */
  drop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    if (this.#missing.size > 0 || this.#strangers < this.#strangersDue) return;
    this.drop();
    if (this.#failure === undefined) this.#end.resolve(this.#given);
    else this.#end.reject(new Error(this.#failure));
  }
}
