import { randomUUID } from 'node:crypto';
import { UnavailableError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Encoded, type Outgoing, outgoing, type SharedMessage } from './codec/codec.ts';
import {
  ClientError,
  clientError,
  type Disconnect,
  Disconnect as DisconnectError,
  disconnect,
  disconnectFor,
} from './codes.ts';
import type { CommandHandler } from './command-handler.ts';
import type { Command } from './commands.ts';
import { type Counters, placeOf, type Traffic } from './counters.ts';
import type { Payload } from './payload.ts';
import type { ClientHeaders } from './proxies/headers.ts';
import type { Subscription } from './subscription.ts';
import type { Transport } from './transports/transport.ts';

/** What may wait behind a slow command before nothing more is read; and what is a flood, where it comes all the same. */
const PAUSE_AT_COMMANDS = 64;
const PAUSE_AT_BYTES = 262_144;
const MAX_WAITING_COMMANDS = 16_384;
const MAX_WAITING_BYTES = 1_048_576;
/** What a client has sent while nothing was read needs this long to be read, its pong among it. */
const RESUME_MS = 5_000;

export interface SessionOptions {
  readonly transport: Transport;
  /** What proxies may pass on. */
  readonly headers: ClientHeaders;
  readonly handler: CommandHandler;
  readonly queueMaxSize: number;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly onClose: (session: Session) => void;
}

/**
 * One client connection.
 *
 * *Fresh*: nothing but `connect` is taken, and it must come in time. *Connected*: commands run one after another, each to
 * its end before the next, since the client sends `connect` and its subscriptions in one frame and relies on their
 * order. *Refused*: `connect` was answered with an error; any further command closes. *Closed* is final: the
 * transport is closing, subscriptions are gone, nothing is sent any more.
 */
export class Session {
  /** Others see it, in presence and publications. */
  readonly id = randomUUID();
  /** Known to the client alone: whoever has it may send commands for an emulated connection. */
  readonly key = randomUUID();
  readonly connectedAt = Date.now();
  readonly subscriptions = new Map<string, Subscription>();
  state: 'fresh' | 'connected' | 'refused' | 'closed' = 'fresh';
  user = '';
  info: Payload | undefined;
  /** What a token or the backend attached, for the backend alone. */
  meta: Payload | undefined;
  headers: ClientHeaders;
  /** What the client calls itself, as metrics have it. */
  metricName = 'unnamed';
  metricVersion = 'unversioned';
  /** Unix seconds; 0 for never. */
  expireAt = 0;
  /** Milliseconds of the clock; what the server's tick looks at. */
  nextPingAt = Number.POSITIVE_INFINITY;
  pongDueAt = Number.POSITIVE_INFINITY;
  nextPresenceAt = Number.POSITIVE_INFINITY;
  readonly #options: SessionOptions;
  readonly #sent: Traffic;
  readonly #received: Traffic;
  /** By the clock of `performance`. */
  #pingedAt = 0;
  #waiting: { readonly command: Command; readonly size: number }[] = [];
  #waitingSize = 0;
  #paused = false;
  #running = false;
  #outgoing: Encoded[] = [];
  #outgoingSize = 0;
  /** What was given to the transport, what of it the peer has taken, and for how many milliseconds no more than that. */
  #written = 0;
  #taken = 0;
  #stuckMs = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.headers = options.headers;
    const { sent, received } = options.counters.trafficOf(options.transport.name);
    this.#sent = sent;
    this.#received = received;
  }

  get transport(): Transport {
    return this.#options.transport;
  }

  /** Takes a frame from the client. */
  receive(frame: Buffer): void {
    if (this.state === 'closed') return;
    try {
      const commands = this.#options.transport.codec.decode(frame);
      this.#waitingSize += frame.length;
      if (
        this.#waiting.length + commands.length > MAX_WAITING_COMMANDS ||
        (this.#waiting.length > 0 && this.#waitingSize > MAX_WAITING_BYTES)
      )
        throw disconnect('tooManyRequests');
      // A frame's size counts until the first of its commands has its turn: the others are parts of the same text.
      commands.forEach((command, index) => {
        this.#waiting.push({ command, size: index === 0 ? frame.length : 0 });
      });
    } catch (error) {
      this.disconnect(error as Disconnect);
      return;
    }
    if (!this.#running) void this.#run();
    if (this.#isFull) this.#pause(true);
  }

  /** Sends an object that stands for one message. One that the codec cannot carry closes with 3506. */
  send(message: object): void {
    this.#sendEncoded(() => outgoing(this.#options.transport.codec, message));
  }

  #reply(name: string, reply: object): void {
    const place = placeOf(this.isUnidirectional ? `push_${name}` : name);
    this.#sendEncoded(() => outgoing(this.#options.transport.codec, reply, place));
  }

  /** Sends a message that others get as well. */
  sendShared(message: SharedMessage): void {
    this.#sendEncoded(() => message.encoded(this.#options.transport.codec));
  }

  /** Messages of one turn of the event loop leave together. */
  #sendEncoded(encode: () => Outgoing): void {
    if (this.state === 'closed') return;
    let message: Outgoing;
    try {
      message = encode();
    } catch (error) {
      if (!(error instanceof DisconnectError)) throw error;
      this.disconnect(error);
      return;
    }
    this.#outgoing.push(message.encoded);
    this.#outgoingSize += message.bytes;
    const { transport, queueMaxSize } = this.#options;
    if (this.#outgoingSize + transport.buffered() > queueMaxSize) {
      this.disconnect(disconnect('slow'));
      return;
    }
    this.#sent.add(message.place, message.bytes);
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  get isUnidirectional(): boolean {
    return this.#options.transport.unidirectional ?? false;
  }

  get isEmulated(): boolean {
    return this.#options.transport.emulated ?? false;
  }

  /** Whether pings are messages, which the client answers with messages. */
  get hasMessagePings(): boolean {
    return !this.#options.transport.ping && !this.isUnidirectional;
  }

  /** Whether nothing is read from the client, since its commands wait. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /**
   * Looks, now and then, whether the peer takes what there is for it.
   * @param elapsedMs since the last look
   * @returns whether it has taken nothing for longer than the transport allows
   */
  isStuck(elapsedMs: number): boolean {
    const { transport } = this.#options;
    const buffered = transport.buffered();
    const taken = this.#written - buffered;
    const moves = buffered === 0 || taken > this.#taken;
    this.#stuckMs = moves ? 0 : this.#stuckMs + elapsedMs;
    this.#taken = taken;
    return this.#stuckMs > transport.writeTimeoutMs;
  }

  /** Sends a ping. Who can answer must do so by `pongDueAt`. */
  ping(pongDueAt: number): void {
    const { ping, unidirectional } = this.#options.transport;
    if (ping || !unidirectional) this.pongDueAt = pongDueAt;
    this.#pingedAt = performance.now();
    ping?.();
    if (!ping || unidirectional) this.send({});
  }

  /** The transport's own ping was answered. */
  onPong(): void {
    if (this.pongDueAt === Number.POSITIVE_INFINITY) return;
    this.pongDueAt = Number.POSITIVE_INFINITY;
    const { transport, counters } = this.#options;
    counters.onPong(transport.name, (performance.now() - this.#pingedAt) / 1000);
  }

  /** Closes from our side; the client learns why. Later calls do nothing. */
  disconnect({ code, message }: Disconnect): void {
    if (this.state === 'closed') return;
    // A slow reader would take its backlog for ever; everybody else gets what is queued first.
    if (code !== 3008 && code !== 3009) this.#flush();
    // The client's goodbye must be read.
    this.#pause(false);
    this.state = 'closed';
    const { transport, counters } = this.#options;
    counters.serverDisconnects.add([String(code)]);
    if (transport.hasCloseFrames) this.countCloseFrame(code);
    transport.close(code, message);
    this.#end();
  }

  /** Notes the code of a frame that closes, which goes to the client. */
  countCloseFrame(code: number): void {
    const { transport, counters } = this.#options;
    counters.outgoingCloses.add([transport.name, String(code)]);
  }

  /** The transport is gone. */
  onTransportClosed(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#end();
  }

  #end(): void {
    this.#waiting = [];
    this.#waitingSize = 0;
    this.#outgoing = [];
    this.#options.onClose(this);
  }

  #flush(): void {
    if (this.#outgoing.length === 0) return;
    const messages = this.#outgoing;
    this.#outgoing = [];
    this.#written += this.#outgoingSize;
    this.#outgoingSize = 0;
    this.#options.transport.write(messages);
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
        this.#waitingSize -= next.size;
        await this.#handle(next.command);
        if (!this.#isFull) this.#pause(false);
      }
    } catch (error) {
      if (error instanceof DisconnectError) this.disconnect(error);
      else {
        this.#options.logger.error({ err: error, client: this.id }, 'a client command failed');
        this.disconnect(disconnect('internal'));
      }
    } finally {
      this.#running = false;
    }
  }

  get #isFull(): boolean {
    return this.#waiting.length >= PAUSE_AT_COMMANDS || this.#waitingSize >= PAUSE_AT_BYTES;
  }

  /** Stops or goes on reading, where the transport can: the client then waits by itself. */
  #pause(pause: boolean): void {
    if (pause === this.#paused || this.state === 'closed') return;
    this.#paused = pause;
    if (!pause) this.pongDueAt = Math.max(this.pongDueAt, Date.now() + RESUME_MS);
    this.#options.transport.pause?.(pause);
  }

  async #handle(command: Command): Promise<void> {
    const { id, name } = command;
    if (this.state !== 'fresh' || name === 'connect')
      this.#received.add(placeOf(id === 0 && name !== 'send' ? 'client_pong' : name), command.bytes);
    if (id === 0 && name !== 'send') {
      this.#onPongMessage();
      return;
    }
    if (name === undefined) throw disconnect('badRequest');
    if (this.state !== (name === 'connect' ? 'fresh' : 'connected')) throw disconnect('badRequest');
    let result: object | undefined;
    try {
      result = await this.#options.handler.handle(this, name, command.request);
    } catch (thrown) {
      // What the broker cannot do now, the client may try again.
      const error = thrown instanceof UnavailableError ? clientError('internal') : thrown;
      if (!(error instanceof ClientError)) throw error;
      if (this.isUnidirectional) throw disconnectFor(error);
      const { code, message, temporary } = error;
      this.#options.counters.replyErrors.add([name, String(code)]);
      this.#reply(name, { id, error: { code, message, temporary: temporary || undefined } });
      if (name === 'connect') this.state = 'refused';
      return;
    }
    if (result) this.#reply(name, { id, [name]: result });
    await this.#options.handler.afterReply(this, name, command.request);
  }

  #onPongMessage(): void {
    const isDue = this.hasMessagePings && this.pongDueAt !== Number.POSITIVE_INFINITY;
    if (this.state !== 'connected' || !isDue) throw disconnect('badRequest');
    this.onPong();
  }
}
