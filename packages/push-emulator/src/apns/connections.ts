import type { ServerHttp2Session } from 'node:http2';
import type { FrameGate } from '../frame-gate.ts';
import type { ApnsCredentials, ProviderCertificate } from './credentials.ts';
import { ProviderTokens } from './provider-token.ts';

/** What APNs allows before it knows who asks, and after. */
const FIRST_STREAMS = 1;
const TRUSTED_STREAMS = 1000;

export interface Connection {
  readonly tokens: ProviderTokens;
  /** What its client showed in the handshake; `bad` when it is none of the emulator's. */
  readonly certificate?: ProviderCertificate | 'bad';
  maxStreams: number;
}

/** The HTTP/2 connections to APNs: how many streams each may open, and all that can befall them. */
export class ApnsConnections {
  /** Whether a rejected provider token brings a connection back to one stream, as was seen. */
  limitsAfterRejection = true;
  readonly #credentials: ApnsCredentials;
  readonly #open = new Map<ServerHttp2Session, { connection: Connection; gate: FrameGate }>();
  #forcedMaxStreams: number | undefined;
  #answersPings = true;

  constructor(credentials: ApnsCredentials) {
    this.#credentials = credentials;
  }

  /** How many streams the first SETTINGS of a connection are to allow. */
  firstStreams(certificate: Connection['certificate']): number {
    return this.#forcedMaxStreams ?? (typeof certificate === 'object' ? TRUSTED_STREAMS : FIRST_STREAMS);
  }

  add(session: ServerHttp2Session, gate: FrameGate, certificate: Connection['certificate']): void {
    const connection: Connection = {
      tokens: new ProviderTokens(this.#credentials),
      maxStreams: typeof certificate === 'object' ? TRUSTED_STREAMS : FIRST_STREAMS,
      ...(certificate && { certificate }),
    };
    gate.dropsPings = !this.#answersPings;
    this.#open.set(session, { connection, gate });
    session.on('error', () => {});
    session.once('close', () => this.#open.delete(session));
  }

  get(session: ServerHttp2Session): Connection | undefined {
    return this.#open.get(session)?.connection;
  }

  /** A push was accepted on it, or its provider token was rejected. */
  trust(session: ServerHttp2Session, isTrusted: boolean): void {
    const connection = this.get(session);
    if (!connection || (!isTrusted && !this.limitsAfterRejection)) return;
    this.#set(session, connection, isTrusted ? TRUSTED_STREAMS : FIRST_STREAMS);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Lets all connections, those to come too, open so many streams (0 is allowed) until it is undefined again. */
  forceMaxStreams(count: number | undefined): void {
    this.#forcedMaxStreams = count;
    for (const [session, { connection }] of this.#open) this.#apply(session, connection);
  }

  /** Whether PINGs are answered; everything else goes on. */
  answerPings(doesAnswer: boolean): void {
    this.#answersPings = doesAnswer;
    for (const { gate } of this.#open.values()) gate.dropsPings = !doesAnswer;
  }

  /** Makes the connections that are open dead for good: nothing is read, nothing is written, and no FIN tells the client. */
  freeze(): void {
    for (const { gate } of this.#open.values()) gate.freeze();
  }

  /** Ends the connections that are open, after the pushes that have begun. @param reason debug data; none when absent */
  goAway(reason?: string): void {
    const data = reason === undefined ? undefined : Buffer.from(JSON.stringify({ reason }));
    for (const session of this.#open.keys()) session.goaway(0, session.state.lastProcStreamID ?? 0, data);
  }

  #set(session: ServerHttp2Session, connection: Connection, maxStreams: number): void {
    if (connection.maxStreams === maxStreams) return;
    connection.maxStreams = maxStreams;
    if (this.#forcedMaxStreams === undefined) this.#apply(session, connection);
  }

  #apply(session: ServerHttp2Session, connection: Connection): void {
    if (session.destroyed || session.closed) return;
    session.settings({ maxConcurrentStreams: this.#forcedMaxStreams ?? connection.maxStreams });
  }
}
