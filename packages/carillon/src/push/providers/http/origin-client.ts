import { Http1Connection } from './http1-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import type { HttpResponse } from './response-reader.ts';
import { Pooled, type Slot, type Slots } from './slots.ts';
import {
  type Connection,
  type ConnectionEvents,
  closedError,
  type HttpRequest,
  type OnResult,
  openSocket,
  TransportError,
  type TransportOptions,
} from './transport.ts';

/** Real services allow about 100 streams on each. */
const DEFAULT_MAX_CONNECTIONS = 6;
/** A request that the service certainly did not act on is sent again at once, this many times at most. */
const MAX_RESENDS = 2;
/** After a failed connect the origin's requests fail at once for at least this long, so that a batch does not wait for each. */
const CONNECT_PAUSE_MS = 1_000;

/** Requests a millisecond that a sender thread could hardly make; connections that take as many need no other beside them. */
const AMPLE_RATE = 10;
/** How soon it is noticed that connections which were fast enough have gone silent. */
const LOOK_AGAIN_MS = 100;

interface Waiter {
  readonly most: number;
  readonly resolve: (slots: Slots) => void;
  readonly reject: (error: TransportError) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * The connections to one service.
 *
 * A caller first gets slots, and prepares its requests only then, so nothing piles up in front of a slow service. Who
 * came first gets all that it can use of the slots that became free in a turn of the event loop, so that requests set
 * off together and share packets. A slot comes from the first connection with room. When none has room, another is
 * opened, up to a limit, while those there are answer too slowly to keep a thread busy, and not before the last one has
 * had an answer: a service that refuses everybody sees few of them. The first tells by ALPN whether the service speaks
 * HTTP/2. A failed connect is followed by a pause in which requests fail at once. Connections leave the pool when they
 * are retired or were idle for long; with the last one the client is empty and its owner may forget it. A worn one stays
 * until another, opened in its place, has had an answer.
 */
export class OriginClient {
  readonly #origin: URL;
  readonly #options: TransportOptions;
  readonly #onEmpty: () => void;
  /** In the order in which they are used. */
  readonly #pool: Pooled[] = [];
  readonly #waiters: Waiter[] = [];
  #sending = 0;
  #isServingDue = false;
  #looksAgain: NodeJS.Timeout | undefined;
  #isConnecting = false;
  #pause: { error: TransportError; timer: NodeJS.Timeout } | undefined;
  /** Failed connects since the last answer. */
  #failures = 0;
  /** Connections that ended without an answer, since the last one. */
  #fruitless = 0;
  readonly #closing = new AbortController();

  /** @param onEmpty called when no connection is left; the client may be used again all the same */
  constructor(origin: string, options: TransportOptions, onEmpty: () => void = () => {}) {
    this.#origin = new URL(origin);
    this.#options = options;
    this.#onEmpty = onEmpty;
  }

  /**
   * Waits for room on a connection, at most as long as a connect and a request may take. Rejects with `TransportError`.
   *
   * @param most slots that the caller can use at once; fewer come when there is no room for as many
   */
  acquire(most = 1): Promise<Slots> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    const slots = this.#waiters.length === 0 ? this.#takeSlots(most) : undefined;
    if (slots) return Promise.resolve(slots);
    if (this.#pause && this.#usableConnections() === 0) return Promise.reject(this.#pause.error);
    return new Promise((resolve, reject) => {
      const waitMs = this.#options.connectTimeoutMs + this.#options.requestTimeoutMs;
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new TransportError('timeout', `no room on a connection within ${waitMs} ms`));
      }, waitMs);
      const waiter: Waiter = { most, resolve, reject, timer };
      this.#waiters.push(waiter);
      this.#connectIfNeeded();
      this.#lookAgain();
    });
  }

  /** Sends on a slot, and again on another one what the service certainly did not act on. */
  send(slot: Slot, request: HttpRequest, onResult: OnResult): void {
    this.#sending += 1;
    this.#attempt(slot, request, MAX_RESENDS, onResult);
  }

  #attempt(slot: Slot, request: HttpRequest, resends: number, onResult: OnResult): void {
    slot.send(request, (result) => {
      if (!(result instanceof TransportError && result.unprocessed) || resends === 0) {
        this.#conclude(result, onResult);
        return;
      }
      this.acquire().then(
        ([next]) => this.#attempt(next, request, resends - 1, onResult),
        (error: TransportError) => this.#conclude(error, onResult),
      );
    });
  }

  #conclude(result: HttpResponse | TransportError, onResult: OnResult): void {
    onResult(result);
    this.#sending -= 1;
    this.#reportIfEmpty();
  }

  /** Breaks what is under way. */
  close(): void {
    this.#closing.abort();
    this.#rejectWaiters(closedError());
    clearTimeout(this.#pause?.timer);
    clearTimeout(this.#looksAgain);
    for (const pooled of [...this.#pool]) this.#drop(pooled);
  }

  /**
   * As many as there is room for, `most` at most; undefined when there is none. Connections beyond those that keep the
   * thread busy are left alone, so that they idle away: the more is under way, the more each request costs.
   */
  #takeSlots(most: number): Slots | undefined {
    const slots: Slot[] = [];
    let rate = 0;
    for (const pooled of this.#pool) {
      if (!pooled.connection.usable) continue;
      while (slots.length < most && pooled.inFlight < pooled.connection.capacity) {
        pooled.inFlight += 1;
        clearTimeout(pooled.idleTimer);
        slots.push(pooled);
      }
      if (slots.length === most) break;
      rate += rateOf(pooled.connection);
      if (rate >= AMPLE_RATE) break;
    }
    return slots.length > 0 ? (slots as Slots) : undefined;
  }

  readonly #free = (pooled: Pooled): void => {
    if (pooled.connection.proven) {
      this.#failures = 0;
      this.#fruitless = 0;
      if (pooled.replaces) {
        pooled.replaces.retire();
        pooled.replaces = undefined;
      }
    }
    this.#serveSoon();
    if (pooled.inFlight > 0 || !this.#pool.includes(pooled)) return;
    if (!pooled.connection.usable) {
      this.#drop(pooled);
      return;
    }
    this.#startIdling(pooled);
  };

  #startIdling(pooled: Pooled): void {
    pooled.idleTimer = setTimeout(() => this.#drop(pooled), this.#options.idleTimeoutMs);
    pooled.idleTimer.unref();
  }

  /** When all answers that have arrived are read. */
  #serveSoon(): void {
    if (this.#isServingDue || this.#waiters.length === 0) return;
    this.#isServingDue = true;
    setImmediate(() => {
      this.#isServingDue = false;
      this.#serveWaiters();
    });
  }

  #serveWaiters(): void {
    for (let [waiter] = this.#waiters; waiter; [waiter] = this.#waiters) {
      const slots = this.#takeSlots(waiter.most);
      if (!slots) break;
      this.#waiters.shift();
      clearTimeout(waiter.timer);
      waiter.resolve(slots);
    }
    this.#connectIfNeeded();
  }

  /** Answers tell when there is room; when none come, what was left alone may have to do. */
  #lookAgain(): void {
    if (this.#looksAgain || this.#waiters.length === 0) return;
    this.#looksAgain = setTimeout(() => {
      this.#looksAgain = undefined;
      this.#serveWaiters();
      this.#lookAgain();
    }, LOOK_AGAIN_MS);
  }

  #connectIfNeeded(): void {
    const mayConnect = !this.#closing.signal.aborted && !this.#isConnecting && !this.#pause;
    if (!mayConnect || this.#waiters.length === 0 || !this.#hasRoom()) return;
    this.#isConnecting = true;
    this.#connect().then(
      () => {
        this.#isConnecting = false;
        this.#serveWaiters();
      },
      (error: TransportError) => {
        this.#isConnecting = false;
        this.#failures += 1;
        this.#startPause(error, this.#failures);
        // Those who wait for other connections may still be served.
        if (this.#usableConnections() === 0) this.#rejectWaiters(error);
      },
    );
  }

  /** @param failures 1 for the first of a row */
  #startPause(error: TransportError, failures: number): void {
    clearTimeout(this.#pause?.timer);
    const pauseMs = Math.min(
      CONNECT_PAUSE_MS * 2 ** (failures - 1),
      this.#options.maxConnectPauseMs ?? CONNECT_PAUSE_MS,
    );
    const timer = setTimeout(() => {
      this.#pause = undefined;
      this.#connectIfNeeded();
      this.#reportIfEmpty();
    }, pauseMs);
    timer.unref();
    this.#pause = { error, timer };
  }

  async #connect(): Promise<void> {
    const options = this.#options;
    const isPlain = this.#origin.protocol === 'http:';
    if (isPlain && !options.http2Only) {
      return this.#add(new Http1Connection(this.#origin, options));
    }
    const { signal } = this.#closing;
    const protocols = options.http2Only ? ['h2'] : ['h2', 'http/1.1'];
    const socket = await openSocket(this.#origin, protocols, options, signal);
    if (signal.aborted) {
      socket.destroy();
      throw closedError();
    }
    if (!options.http2Only && (socket as { alpnProtocol?: unknown }).alpnProtocol !== 'h2') {
      return this.#add(new Http1Connection(this.#origin, options, socket));
    }
    const events: ConnectionEvents = {
      changed: () => this.#serveWaiters(),
      retired: () => this.#dropRetired(),
    };
    // With the socket the session ends, and with it the wait for its settings.
    const breakOff = () => socket.destroy();
    signal.addEventListener('abort', breakOff);
    const connection = await Http2Connection.open(this.#origin, socket, events, options).finally(() => {
      signal.removeEventListener('abort', breakOff);
    });
    if (!signal.aborted && connection.usable) return this.#add(connection);
    connection.destroy();
    if (signal.aborted) throw closedError();
    const { goawayWords } = connection;
    const message = `the service ended the session at once${goawayWords && `: ${goawayWords}`}`;
    throw new TransportError('connect_failed', message, { goawayWords });
  }

  #add(connection: Connection): void {
    const replaces = this.#wornConnection();
    const pooled = new Pooled(connection, replaces, this.#free);
    // A worn one is kept until this one has answered, which others would keep it from.
    if (replaces) this.#pool.unshift(pooled);
    else this.#pool.push(pooled);
    // Those for whom it was opened may have been served by others.
    this.#startIdling(pooled);
  }

  /** Those with requests under way are dropped when the last of these ends. */
  #dropRetired(): void {
    for (const pooled of [...this.#pool]) {
      if (pooled.connection.usable) continue;
      this.#noteFruitless(pooled);
      if (pooled.inFlight === 0) this.#drop(pooled);
    }
    this.#connectIfNeeded();
  }

  #noteFruitless(pooled: Pooled): void {
    if (this.#options.maxConnectPauseMs === undefined) return;
    if (pooled.connection.proven || pooled.isFruitless || this.#closing.signal.aborted) return;
    pooled.isFruitless = true;
    this.#fruitless += 1;
    if (this.#fruitless === 1) return;
    const error = new TransportError(
      'connection_lost',
      'the service ends its connections without an answer',
      {
        unprocessed: true,
      },
    );
    this.#startPause(error, this.#fruitless - 1);
    if (this.#usableConnections() === 0) this.#rejectWaiters(error);
  }

  #drop(pooled: Pooled): void {
    clearTimeout(pooled.idleTimer);
    const at = this.#pool.indexOf(pooled);
    if (at >= 0) this.#pool.splice(at, 1);
    pooled.connection.destroy();
    this.#reportIfEmpty();
  }

  /** Whether another connection may be opened, and would be of use. */
  #hasRoom(): boolean {
    let count = 0;
    let rate = 0;
    for (const { connection } of this.#pool) {
      if (!connection.usable) continue;
      if (!connection.proven) return false;
      count += 1;
      rate += rateOf(connection);
    }
    if (this.#wornConnection()) return true;
    return rate < AMPLE_RATE && count < (this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
  }

  #wornConnection(): Connection | undefined {
    for (const { connection } of this.#pool) if (connection.usable && connection.worn) return connection;
    return undefined;
  }

  #usableConnections(): number {
    let count = 0;
    for (const { connection } of this.#pool) if (connection.usable) count += 1;
    return count;
  }

  #rejectWaiters(error: TransportError): void {
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }

  #reportIfEmpty(): void {
    const isNeeded = this.#sending > 0 || this.#isConnecting || this.#pause || this.#waiters.length > 0;
    if (this.#pool.length === 0 && !isNeeded) this.#onEmpty();
  }
}

/** Requests a millisecond that it could take; none of a worn one, so that another takes them. */
function rateOf(connection: Connection): number {
  return connection.worn ? 0 : connection.capacity / connection.latencyMs;
}
