/** A misbehaviour of the push service towards its senders. */
export interface Fault {
  /**
   * `status`: answer with it instead of accepting. `delay`: wait, then go on as usual. `reset`: cut the connection.
   * `silence`: never answer. The last two leave the push undelivered; with `after: 'delivery'` it reaches the browser
   * all the same, so that a sender that tries again doubles it.
   */
  readonly kind: 'status' | 'delay' | 'reset' | 'silence';
  /** For `status`: 300 to 599. */
  readonly status?: number;
  /** For `status`: the `Retry-After` header, as it is to be sent. */
  readonly retryAfter?: string | number;
  /** For `delay`: milliseconds. */
  readonly ms?: number;
  /** For all but `delay`. */
  readonly after?: 'delivery';
  /** For the next so many pushes; 1 when absent, `null` for all until cleared. */
  readonly times?: number | null;
}

const KINDS = ['status', 'delay', 'reset', 'silence'];
const MAX_DELAY_MS = 10 * 60_000;

/** Faults to come, used up first in, first out. */
export class Faults {
  #queue: { fault: Fault; left: number }[] = [];

  /** @throws TypeError naming the field, its value and what is allowed */
  add(fault: Fault): void {
    checkFault(fault);
    this.#queue.push({ fault, left: fault.times === null ? Number.POSITIVE_INFINITY : (fault.times ?? 1) });
  }

  clear(): void {
    this.#queue = [];
  }

  /** The fault for the push that is being answered, if any. */
  take(): Fault | undefined {
    const next = this.#queue[0];
    if (!next) return undefined;
    next.left -= 1;
    if (next.left <= 0) this.#queue.shift();
    return next.fault;
  }
}

function checkFault(fault: Fault): void {
  if (typeof fault !== 'object' || fault === null)
    throw new TypeError(`fault is ${fault}: an object is expected`);
  const wrong = (field: keyof Fault, allowed: string) =>
    new TypeError(`fault.${field} is ${JSON.stringify(fault[field])}: ${allowed}`);
  const integer = (value: unknown, min: number, max: number) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  if (!KINDS.includes(fault.kind)) throw wrong('kind', `${KINDS.join(', ')} are allowed`);
  if (fault.kind === 'status' && !integer(fault.status, 300, 599))
    throw wrong('status', '300 to 599 are allowed');
  if (fault.kind === 'delay' && !integer(fault.ms, 0, MAX_DELAY_MS))
    throw wrong('ms', '0 to 600000 are allowed');
  if (fault.times != null && !integer(fault.times, 1, 1e9))
    throw wrong('times', 'a number from 1, or null, is allowed');
  if (fault.after !== undefined && fault.after !== 'delivery') throw wrong('after', '"delivery" is allowed');
  const { retryAfter } = fault;
  if (retryAfter !== undefined && !/^[\x20-\x7e]{0,100}$/.test(String(retryAfter))) {
    throw wrong('retryAfter', 'seconds or an HTTP date is expected');
  }
}
