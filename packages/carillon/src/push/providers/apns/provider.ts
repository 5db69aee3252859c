import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { ApnsConfig } from '../../../config/config.ts';
import { Gate } from '../gate.ts';
import { OriginClient } from '../http/origin-client.ts';
import type { HttpResponse } from '../http/response-reader.ts';
import type { Slot, Slots } from '../http/slots.ts';
import {
  answerTo,
  closedError,
  type HeaderList,
  type HttpRequest,
  headerList,
  TransportError,
} from '../http/transport.ts';
import { passingSlots, releaseAll } from '../passing-slots.ts';
import type { Outcome, Provider, SendBatch, Target, Targets } from '../provider.ts';
import { UnderWay } from '../under-way.ts';
import { Upcoming } from '../upcoming.ts';
import { type Answer, MEND_MS, verdictOfError } from '../verdict.ts';
import { isDeviceToken } from './device-token.ts';
import { type MessageOptions, type PreparedMessage, prepareMessage } from './message.ts';
import { type AnswerContext, type ApnsVerdict, type Effect, judge, judgeGoaway } from './outcome.ts';
import { type ProviderToken, ProviderTokens, ShownTokens } from './provider-tokens.ts';
import { type ApnsSettings, readSettings } from './settings.ts';
import { type Topic, Topics } from './topics.ts';

export interface ApnsProviderOptions {
  /** Where the options are, for words about them. Default `apns`; of an app `apps.shop.apns`. */
  readonly section?: string;
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer;
  readonly lookup?: LookupFunction;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds; never goes back. */
  readonly clock?: () => number;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Apple wants connections to be kept. Default a day. */
  readonly idleTimeoutMs?: number;
  /** Default 30 000. */
  readonly pingIntervalMs?: number;
}

/** Apple takes quick reconnects for an attack. */
const MAX_CONNECT_PAUSE_MS = 30_000;
/** A request that APNs certainly did not act on is sent again at once, this many times at most. */
const MAX_RESENDS = 2;
/** What failed for a fault of the connection or the token is sent again at once, on another connection, this many times. */
const MAX_TRIES = 2;
/** What sending begins with after a shut: few requests find out whether it was mended. */
const RAMP_FROM = 0.1;
/** Sockets get their turn after each of these many requests (about a millisecond). */
const REQUESTS_PER_TURN = 32;
/** Both differ from request to request, or are secret (`vendors` 2.1). */
const SENSITIVE_HEADERS = [':path', 'authorization'];

/** A batch under way. */
interface Sending {
  readonly message: PreparedMessage;
  readonly topic: Topic;
  readonly report: (outcome: Outcome) => void;
  readonly doubtful: Outcome[];
  accepted: number;
  /** The message's headers with the token that is in use. */
  headers: HeaderList;
  token: ProviderToken | undefined;
}

/**
 * Sends to APNs: HTTP/2 connections that are kept for a day and pinged, one provider token or a client certificate.
 *
 * @throws ConfigError that names the option when one is missing or wrong
 */
export function createApnsProvider(config: ApnsConfig, options: ApnsProviderOptions = {}): Provider {
  const section = options.section ?? 'apns';
  return new ApnsProvider(config, readSettings(config, section), section, options);
}

class ApnsProvider implements Provider {
  readonly name = 'apns';
  readonly #section: string;
  readonly #devicePath: string;
  readonly #messageOptions: MessageOptions;
  readonly #now: () => number;
  readonly #clock: () => number;
  readonly #tokens: ProviderTokens | undefined;
  readonly #shown: ShownTokens;
  readonly #client: OriginClient;
  readonly #closing = new AbortController();
  readonly #gate: Gate;
  readonly #topics: Topics;

  constructor(config: ApnsConfig, settings: ApnsSettings, section: string, options: ApnsProviderOptions) {
    const { credential } = settings;
    this.#section = section;
    this.#devicePath = settings.devicePath;
    this.#messageOptions = { bundleId: config.bundle_id, authType: config.auth_type };
    this.#now = options.now ?? Date.now;
    this.#clock = options.clock ?? (() => performance.now());
    this.#tokens = credential.type === 'token' ? new ProviderTokens(credential.key, this.#now) : undefined;
    this.#shown = new ShownTokens(this.#clock);
    this.#gate = this.#newGate();
    this.#topics = new Topics(() => this.#newGate());
    this.#client = new OriginClient(settings.origin, {
      ca: options.ca,
      certificate:
        credential.type === 'cert' ? { pfx: credential.pfx, passphrase: credential.passphrase } : undefined,
      lookup: options.lookup ?? systemLookup,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
      idleTimeoutMs: options.idleTimeoutMs ?? 24 * 3_600_000,
      pingIntervalMs: options.pingIntervalMs ?? 30_000,
      maxConnections: 4,
      maxStreams: 500,
      maxConnectPauseMs: MAX_CONNECT_PAUSE_MS,
      http2Only: true,
      replacesAfterTimeout: true,
      ignoresSuccessBody: true,
    });
  }

  async send(batch: SendBatch, report: (outcome: Outcome) => void): Promise<void> {
    let message: PreparedMessage;
    try {
      message = prepareMessage(batch.message, 'notification.apns', this.#messageOptions);
    } catch (error) {
      const reason = (error as Error).message;
      for (let index = 0; index < batch.targets.length; index += 1) {
        report({ index, kind: 'failed', code: 'invalid_message', reason });
      }
      return;
    }
    const topic = this.#topics.get(message.topic);
    const sending: Sending = {
      message,
      topic,
      report,
      doubtful: [],
      accepted: 0,
      headers: headerList(message.headers),
      token: undefined,
    };
    const underWay = new UnderWay();
    const ready = new Upcoming(readyOf(batch.targets, report), REQUESTS_PER_TURN);
    while (ready.count > 0) {
      const slots = await this.#admit(topic, ready.count);
      if ('kind' in slots) {
        report({ ...slots, index: ready.take()[0] });
        continue;
      }
      for (const slot of slots) underWay.add(this.#deliver(sending, ...ready.take(), slot));
      await setImmediate();
    }
    await underWay.ended();
    for (const outcome of topic.guard.settle(sending.doubtful, sending.accepted)) report(outcome);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#client.close();
  }

  /** Waits for the right to send `most` requests, or fewer; else what to report. Never rejects. */
  async #admit(topic: Topic, most: number): Promise<Slots | Answer> {
    try {
      const refusal = (await this.#gate.pass(1)) ?? (await topic.gate.pass(1));
      if (refusal) return refusal;
      const slots = await this.#acquire(topic, most);
      if ('kind' in slots) return slots;
      return passingSlots(slots, () => this.#gate.tryPass(1) && topic.gate.tryPass(1));
    } catch (error) {
      return this.#answerOfError(error);
    }
  }

  /** @returns slots, or what to report when a gate was shut while they were waited for */
  async #acquire(topic: Topic, most = 1): Promise<Slots | Answer> {
    const slots = await this.#client.acquire(most);
    const refusal = this.#gate.refusal() ?? topic.gate.refusal();
    if (refusal) releaseAll(slots);
    return refusal ?? slots;
  }

  async #deliver(sending: Sending, index: number, deviceToken: string, slot: Slot): Promise<void> {
    const { outcome, effect } = await this.#exchange(sending, deviceToken, slot);
    if (outcome.kind === 'accepted') {
      sending.accepted += 1;
      sending.topic.guard.accept();
    }
    const ofTarget = { ...outcome, index };
    if (effect === 'doubtful') sending.doubtful.push(ofTarget);
    else sending.report(ofTarget);
  }

  /**
   * Sends, and at once again what APNs certainly did not act on, or refused for a fault of the connection or its token;
   * the same fault twice is more than that. All else is the queue's to repeat.
   */
  async #exchange(sending: Sending, deviceToken: string, firstSlot: Slot): Promise<ApnsVerdict> {
    let slot = firstSlot;
    let resends = 0;
    let tries = 0;
    let tried: Effect | undefined;
    for (;;) {
      const token = this.#tokens?.current();
      if (token && this.#shown.isTooEarly(slot.connection, token)) {
        slot.retireConnection();
        slot.release();
      } else {
        const { verdict, isUnprocessed } = await this.#attempt(sending, deviceToken, token, slot, tried);
        if (isUnprocessed && resends < MAX_RESENDS) {
          resends += 1;
        } else {
          // What is bound to a connection must neither repeat nor outlive what the operator mends.
          if (verdict.effect && verdict.effect !== 'doubtful') slot.retireConnection();
          const gate = this.#gateFor(verdict.effect, sending.topic);
          if (gate) return shut(gate, verdict);
          const isTried = verdict.effect === tried || tries === MAX_TRIES;
          if (isTried || !this.#prepareAgain(verdict.effect, token)) return verdict;
          tries += 1;
          tried = verdict.effect;
        }
      }
      try {
        const next = await this.#acquire(sending.topic);
        if ('kind' in next) return { outcome: next };
        [slot] = next;
      } catch (error) {
        return { outcome: this.#answerOfError(error) };
      }
    }
  }

  /** One request and what its answer means. Never rejects. */
  async #attempt(
    sending: Sending,
    deviceToken: string,
    token: ProviderToken | undefined,
    slot: Slot,
    tried: Effect | undefined,
  ): Promise<{ verdict: ApnsVerdict; isUnprocessed: boolean }> {
    const context: AnswerContext = {
      section: this.#section,
      topic: sending.message.topic,
      deviceToken,
      tried,
      now: this.#now(),
    };
    try {
      const response = await this.#request(sending, deviceToken, token, slot);
      return { verdict: judge(response, context), isUnprocessed: false };
    } catch (error) {
      const { goawayWords, unprocessed } = error as TransportError;
      const explained = judgeGoaway(goawayWords, context);
      if (explained) return { verdict: explained, isUnprocessed: false };
      return { verdict: { outcome: this.#answerOfError(error) }, isUnprocessed: unprocessed };
    }
  }

  #request(
    sending: Sending,
    deviceToken: string,
    token: ProviderToken | undefined,
    slot: Slot,
  ): Promise<HttpResponse> {
    if (token !== sending.token) {
      sending.token = token;
      sending.headers = headerList({
        ...sending.message.headers,
        authorization: token?.authorization ?? '',
      });
    }
    const request: HttpRequest = {
      path: this.#devicePath + deviceToken,
      headers: sending.headers,
      body: sending.message.body,
      sensitiveHeaders: SENSITIVE_HEADERS,
    };
    return answerTo((onResult) => slot.send(request, onResult));
  }

  /** The gate that an effect shuts. */
  #gateFor(effect: Effect | undefined, topic: Topic): Gate | undefined {
    if (effect === 'topic') return topic.gate;
    return effect === 'credential' || effect === 'quota' ? this.#gate : undefined;
  }

  /** @returns whether another try at once is due */
  #prepareAgain(effect: Effect | undefined, token: ProviderToken | undefined): boolean {
    switch (effect) {
      case 'hold':
        this.#tokens?.hold();
        return true;
      case 'refresh':
        if (token) this.#tokens?.replace(token);
        return true;
      default:
        return effect === 'reconnect';
    }
  }

  /** Everything on the way to the service may pass. */
  #answerOfError(error: unknown): Answer {
    const isOurs = this.#closing.signal.aborted || !(error instanceof TransportError);
    return verdictOfError(isOurs ? closedError() : error).outcome;
  }

  #newGate(): Gate {
    const { signal } = this.#closing;
    return new Gate({
      waitMs: MEND_MS,
      rampFrom: RAMP_FROM,
      signal,
      clock: this.#clock,
    });
  }
}

/** Shuts a gate for what concerns everybody; the target waits as long as it. */
function shut(gate: Gate, { outcome, effect }: ApnsVerdict): ApnsVerdict {
  gate.shut({ code: outcome.code, reason: outcome.reason ?? outcome.code });
  const retryAfterMs = gate.refusal()?.retryAfterMs ?? MEND_MS;
  return { outcome: { ...outcome, retryAfterMs, isHeld: true }, effect };
}

/** Device tokens with their places in the batch; reports what is none. */
function* readyOf(
  targets: Targets,
  report: (outcome: Outcome) => void,
): Generator<[index: number, deviceToken: string]> {
  let index = 0;
  for (const target of targets) {
    const problem = checkTarget(target);
    if (problem) report({ ...problem, index });
    else yield [index, target.token];
    index += 1;
  }
}

function checkTarget({ token, kind }: Target): Answer | undefined {
  if (!kind && isDeviceToken(token)) return undefined;
  const reason = kind ? `APNs has no native ${kind}` : 'the token is not hexadecimal';
  return { kind: 'failed', code: 'invalid_token', reason };
}
