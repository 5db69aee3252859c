import type { LookupFunction } from 'node:net';
import { Gate } from './gate.ts';
import { OriginClient } from './http/origin-client.ts';
import type { HttpResponse } from './http/response-reader.ts';
import type { Slot } from './http/slots.ts';
import { closedError, type HttpRequest, TransportError, type TransportOptions } from './http/transport.ts';
import { AccessTokens, OAuthError } from './oauth/access-tokens.ts';
import { TokenRequester } from './oauth/token-request.ts';
import { passingSlots, releaseAll } from './passing-slots.ts';
import { type Answer, MEND_MS, type Verdict, verdictOfError } from './verdict.ts';

/** What a provider's own options say of connections and time. */
export interface ServiceTransport {
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  /** Resolves names. The addresses are the operator's own choice, so none is refused. */
  readonly lookup: LookupFunction;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Streams of one HTTP/2 connection. */
  readonly maxStreams: number;
  /** Bytes of an answer that are kept. */
  readonly keptBytes: number;
}

export interface AuthorizedServiceOptions {
  /** Where sends go; its path is the provider's business. */
  readonly endpoint: URL;
  readonly transport: ServiceTransport;
  /** Where access tokens come from. */
  readonly tokenEndpoint: URL;
  /** The form that asks for a token, made anew for each. */
  readonly tokenForm: () => Readonly<Record<string, string>>;
  /** Wait of a shut for which the service names none, milliseconds. */
  readonly quotaWaitMs: number;
  /** The share of the usual rate that sending begins with after a shut. */
  readonly rampFrom: number;
  /** Milliseconds; never goes back. */
  readonly clock: () => number;
}

/** The right to send one request, with what it takes. */
export interface Passage {
  readonly slot: Slot;
  readonly accessToken: string;
}

/** At least one. */
export type Passages = [Passage, ...Passage[]];

/** One request to be sent, and what becomes of it. */
export interface Errand<V extends Verdict> {
  /** Messages that the request carries. */
  readonly count: number;
  /** Makes the request for an access token. */
  request(accessToken: string): HttpRequest;
  /** Reads its answer; must not throw. */
  judge(response: HttpResponse): V;
  /** Called once. */
  settle(verdict: V | Verdict): void;
}

/**
 * A push service behind one OAuth credential.
 *
 * A request sets off when the gate is open, an access token is at hand and a connection has room, in this order. Its
 * answer's verdict then acts on what all requests share: a refused token is replaced, and the request sent once more;
 * a quota, or what only the operator can mend, shuts the gate.
 */
export class AuthorizedService {
  readonly #client: OriginClient;
  readonly #requester: TokenRequester;
  readonly #tokens: AccessTokens;
  readonly #gate: Gate;
  readonly #closing = new AbortController();

  constructor(options: AuthorizedServiceOptions) {
    const { transport, clock } = options;
    const shared: TransportOptions = transport;
    this.#client = new OriginClient(options.endpoint.origin, shared);
    this.#requester = new TokenRequester(options.tokenEndpoint, shared);
    this.#tokens = new AccessTokens(() => this.#requester.request(options.tokenForm()), clock);
    this.#gate = new Gate({
      clock,
      waitMs: options.quotaWaitMs,
      rampFrom: options.rampFrom,
      signal: this.#closing.signal,
    });
  }

  /**
   * Waits for passages; else what to report. Never rejects.
   *
   * @param count messages that each request carries
   * @param most requests that the caller has; there may be passages for fewer
   */
  async enter(count: number, most = 1): Promise<Passages | Answer> {
    try {
      const refusal = await this.#gate.pass(count);
      if (refusal) return refusal;
      const accessToken = this.#tokens.ready() ?? (await this.#tokens.current());
      const slots = await this.#client.acquire(most);
      // Others may have been told meanwhile that it is enough.
      const late = this.#gate.refusal();
      if (late) {
        releaseAll(slots);
        return late;
      }
      const passing = passingSlots(slots, () => this.#gate.tryPass(count));
      return passing.map((slot) => ({ slot, accessToken })) as Passages;
    } catch (error) {
      return this.#refusalOf(error as Error);
    }
  }

  /** Sends one request, and once more with another access token where that is what it takes. */
  send<V extends Verdict>(passage: Passage, errand: Errand<V>): void {
    this.#client.send(passage.slot, errand.request(passage.accessToken), (result) => {
      const verdict = verdictOf(errand, result);
      if (verdict.effect === 'refresh') void this.#sendAgain(passage, errand);
      else errand.settle(this.#consequent(verdict));
    });
  }

  /** Breaks what is under way. */
  close(): void {
    this.#closing.abort(closedError());
    this.#requester.close();
    this.#client.close();
  }

  async #sendAgain<V extends Verdict>({ accessToken }: Passage, errand: Errand<V>): Promise<void> {
    this.#tokens.discard(accessToken);
    const next = await this.enter(errand.count);
    if ('kind' in next) {
      errand.settle({ outcome: next });
      return;
    }
    const [second] = next;
    this.#client.send(second.slot, errand.request(second.accessToken), (result) => {
      // A token that is seconds old is refused: the next one would be, too.
      errand.settle(this.#consequent(verdictOf(errand, result)));
    });
  }

  /** Draws what consequences a verdict has for everybody. */
  #consequent<V extends Verdict>(verdict: V): V | Verdict {
    return verdict.effect === undefined || verdict.effect === 'doubtful' ? verdict : this.#shut(verdict);
  }

  /** Shuts the gate for what concerns everybody; the target waits as long as it. */
  #shut({ outcome, effect }: Verdict): Verdict {
    const { code, reason = code, retryAfterMs } = outcome;
    const waitMs = effect === 'quota' ? retryAfterMs : MEND_MS;
    this.#gate.shut({ code, reason, retryAfterMs: waitMs });
    const wait = this.#gate.refusal()?.retryAfterMs ?? waitMs;
    return { outcome: { ...outcome, ...(wait === undefined ? {} : { retryAfterMs: wait }), isHeld: true } };
  }

  #refusalOf(error: Error): Answer {
    if (this.#closing.signal.aborted) return verdictOfError(closedError()).outcome;
    if (!(error instanceof OAuthError)) return verdictOfError(error as TransportError).outcome;
    const outcome: Answer = { kind: 'retry', code: 'oauth_unavailable', reason: error.message };
    if (!error.isRefused) return outcome;
    return this.#shut({ outcome: { ...outcome, code: 'oauth_refused' }, effect: 'credential' }).outcome;
  }
}

function verdictOf<V extends Verdict>(errand: Errand<V>, result: HttpResponse | TransportError): V | Verdict {
  return result instanceof TransportError ? verdictOfError(result) : errand.judge(result);
}
