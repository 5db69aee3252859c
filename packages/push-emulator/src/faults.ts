import { createHash } from 'node:crypto';
import { SERVICE_NAMES, type ServiceName } from './service.ts';

/**
 * A misbehaviour of a push service towards its senders.
 *
 * What a service refuses by itself it refuses under a `status` or `error` fault, too, and the fault waits for the next. The other
 * kinds disturb whatever comes.
 */
export interface Fault {
  /**
   * Only this service; absent: the next push to any. A service's calls that are no pushes (check-in, registration) are disturbed when
   * `target` is their path; those of `oauth` and `firebase`, which have nothing else, also without.
   */
  readonly service?: ServiceName;
  /** Only pushes to this address (`PushRecord.target`), or calls of this path. */
  readonly target?: string;
  /** Only pushes to this share of all addresses, 0 to 1: always the same ones. */
  readonly share?: number;
  /**
   * - `status`: answer with it instead of accepting; `error`: with the vendor's own word for it, in `reason`.
   * - `delay`: wait, then go on as usual. `drip`: the answer's body comes byte by byte.
   * - `reset`: cut the connection; over HTTP/2, with a `reason` of `REFUSED_STREAM` or another error's name, the stream alone.
   * - `silence`: never answer.
   * - `goaway`: end the HTTP/2 connection so that this request and later ones count as not processed, and the earlier ones are
   *   answered; `reason` is `too_many_pings` (error 0xB), or debug data as it is to be sent. Over HTTP/1.1 the same as `reset`.
   * - `tls`: the next connection meets a certificate of an authority that nobody knows.
   *
   * `reset`, `silence`, `goaway`, `status` and `error` leave the push undelivered; with `after: 'delivery'` it arrives all the
   * same, so that a sender that tries again doubles it.
   */
  readonly kind: 'status' | 'error' | 'delay' | 'reset' | 'silence' | 'goaway' | 'drip' | 'tls';
  /** For `status`: 300 to 599. A redirect leads back to its own address, so that who follows it shows twice. */
  readonly status?: number;
  /** For `error`: `UNREGISTERED`, `BadDeviceToken`, `80300007` …; for `goaway` and `reset` see there. */
  readonly reason?: string;
  /** For `status` and `error`: the `Retry-After` header, as it is to be sent. */
  readonly retryAfter?: string | number;
  /** For `delay` and, between two bytes, for `drip`: milliseconds. */
  readonly ms?: number;
  /** For all but `tls`: deliver first. */
  readonly after?: 'delivery';
  /** For the next so many; 1 when absent, `null` for all until cleared. */
  readonly times?: number | null;
}

const KINDS = ['status', 'delay', 'reset', 'silence', 'error', 'goaway', 'drip', 'tls'];
const FIELDS = [
  'service',
  'target',
  'share',
  'kind',
  'status',
  'reason',
  'retryAfter',
  'ms',
  'after',
  'times',
];
const MAX_DELAY_MS = 10 * 60_000;
const MAX_FAULTS = 1000;

/** What a fault may be for. */
export interface Occasion {
  readonly service: ServiceName;
  readonly kind: 'push' | 'call';
  /** The address of a push, the path of a call. */
  readonly target: string;
  /** Whether the service would answer with success. */
  readonly isAccepted: boolean;
}

/** Faults to come; of those that fit, the first in is used first. */
export class Faults {
  #queue: { fault: Fault; left: number }[] = [];
  readonly #hasError: (service: ServiceName, reason: string) => boolean;

  /** @param hasError whether a service has an error of that name */
  constructor(hasError: (service: ServiceName, reason: string) => boolean = () => true) {
    this.#hasError = hasError;
  }

  /** @throws TypeError naming the field, its value and what is allowed */
  add(fault: Fault): void {
    checkFault(fault);
    const { kind, service, reason } = fault;
    if (kind === 'error' && !this.#hasError(service!, reason!)) {
      throw new TypeError(`fault.reason is ${JSON.stringify(reason)}: ${service} has no such error`);
    }
    if (this.#queue.length >= MAX_FAULTS) throw new TypeError(`fault: at most ${MAX_FAULTS} can wait`);
    this.#queue.push({ fault, left: fault.times === null ? Number.POSITIVE_INFINITY : (fault.times ?? 1) });
  }

  clear(): void {
    this.#queue = [];
  }

  /** Those that wait, `times` being how often each is still to come; null: until cleared. */
  all(): Fault[] {
    return this.#queue.map(({ fault, left }) => ({ ...fault, times: Number.isFinite(left) ? left : null }));
  }

  /** The fault for the request that is being answered, if any. */
  take(occasion: Occasion): Fault | undefined {
    return this.#use((fault) => fault.kind !== 'tls' && fits(fault, occasion));
  }

  /** Whether the connection that has just come, to a listener of these services, is to meet a bad certificate. */
  takeHandshake(services: readonly ServiceName[]): boolean {
    const fault = this.#use(
      ({ kind, service }) => kind === 'tls' && (service === undefined || services.includes(service)),
    );
    return fault !== undefined;
  }

  #use(isRight: (fault: Fault) => boolean): Fault | undefined {
    const at = this.#queue.findIndex(({ fault }) => isRight(fault));
    const next = this.#queue[at];
    if (!next) return undefined;
    next.left -= 1;
    if (next.left <= 0) this.#queue.splice(at, 1);
    return next.fault;
  }
}

function fits(fault: Fault, { service, kind, target, isAccepted }: Occasion): boolean {
  if (fault.service === undefined ? kind === 'call' : fault.service !== service) return false;
  const hasPushes = service !== 'oauth' && service !== 'firebase';
  if (kind === 'call' && hasPushes && fault.target === undefined) return false;
  if (!isAccepted && (fault.kind === 'status' || fault.kind === 'error')) return false;
  if (fault.target !== undefined && fault.target !== target) return false;
  return fault.share === undefined || shareOf(target) < fault.share;
}

/** A number from 0 up to 1 that belongs to an address for good, evenly spread. */
function shareOf(target: string): number {
  return createHash('sha256').update(target).digest().readUInt32BE() / 2 ** 32;
}

function checkFault(fault: Fault): void {
  if (typeof fault !== 'object' || fault === null || Array.isArray(fault)) {
    throw new TypeError(`fault is ${JSON.stringify(fault)}: an object is expected`);
  }
  const wrong = (field: string, allowed: string) =>
    new TypeError(`fault.${field} is ${JSON.stringify(fault[field as keyof Fault])}: ${allowed}`);
  const integer = (value: unknown, min: number, max: number) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  const line = (value: unknown, length: number) =>
    typeof value === 'string' && value.length <= length && /^[\x20-\x7e]*$/.test(value);

  const unknown = Object.keys(fault).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw wrong(unknown, `the fields are ${FIELDS.join(', ')}`);
  const { kind, service, target, share, status, reason, retryAfter, ms, after, times } = fault;
  if (!KINDS.includes(kind)) throw wrong('kind', `${KINDS.join(', ')} are allowed`);
  if (service !== undefined && !SERVICE_NAMES.includes(service)) {
    throw wrong('service', `${SERVICE_NAMES.join(', ')} are allowed`);
  }
  if (target !== undefined && (typeof target !== 'string' || target === '' || target.length > 4096)) {
    throw wrong('target', 'a text of 1 to 4096 characters is allowed');
  }
  if (share !== undefined && !(typeof share === 'number' && share >= 0 && share <= 1)) {
    throw wrong('share', '0 to 1 is allowed');
  }
  if (kind === 'status' && !integer(status, 300, 599)) throw wrong('status', '300 to 599 are allowed');
  if (kind === 'error' && service === undefined) throw wrong('service', 'an error needs the vendor it is of');
  if (reason === undefined ? kind === 'error' : !line(reason, 200)) {
    throw wrong('reason', 'the name of an error, up to 200 ASCII characters, is expected');
  }
  if ((kind === 'delay' || kind === 'drip') && !integer(ms, 0, MAX_DELAY_MS)) {
    throw wrong('ms', '0 to 600000 are allowed');
  }
  if (times != null && !integer(times, 1, 1e9)) throw wrong('times', 'a number from 1, or null, is allowed');
  if (after !== undefined && (after !== 'delivery' || kind === 'tls')) {
    throw wrong('after', kind === 'tls' ? 'not with tls' : '"delivery" is allowed');
  }
  if (retryAfter !== undefined && !line(String(retryAfter), 100)) {
    throw wrong('retryAfter', 'seconds or an HTTP date is expected');
  }
}
