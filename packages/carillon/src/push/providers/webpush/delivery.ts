import type { Gate } from '../gate.ts';
import type { OriginClient } from '../http/origin-client.ts';
import type { Slot } from '../http/slots.ts';
import { answerTo, type HeaderList, type HttpRequest, TransportError } from '../http/transport.ts';
import type { Outcome } from '../provider.ts';
import { RemovalGuard } from '../removal-guard.ts';
import { type Answer, MEND_MS, verdictOfError } from '../verdict.ts';
import type { SubscriptionKeys } from './encryption.ts';
import type { Endpoint } from './endpoint-rules.ts';
import { faultOf, type WebPushFault } from './faults.ts';
import { outcomeOf, type PushResponse, readResponse } from './outcome.ts';
import type { VapidKeyRing } from './vapid.ts';

/** A target that may be sent to. */
export interface Addressed {
  readonly index: number;
  readonly endpoint: Endpoint;
  readonly keys: SubscriptionKeys;
  /** The VAPID public key that the subscription was made for, where that is known. */
  readonly vapid: string | undefined;
}

/** Where the outcomes of one batch go. */
export interface Results {
  readonly report: (outcome: Outcome) => void;
  /** Those that are judged when all the others are known. */
  readonly doubtful: Outcome[];
  accepted: number;
}

/** Shorter last parts of an endpoint are ordinary words, not secrets. */
const MIN_TOKEN_LENGTH = 16;

/** Sends requests that are ready, finds the VAPID key that fits, and draws the consequences of answers. */
export class Deliveries {
  readonly #vapid: VapidKeyRing;
  readonly #clientOf: (endpoint: Endpoint) => OriginClient;
  readonly #gateOf: (origin: string) => Gate;
  readonly #now: () => number;
  readonly #credentialAdvice: string;
  readonly #mismatchAdvice: string;
  readonly #guard = new RemovalGuard();

  /**
   * @param options.now milliseconds since 1970
   * @param options.section where the options are, for advice
   */
  constructor(options: {
    readonly vapid: VapidKeyRing;
    readonly clientOf: (endpoint: Endpoint) => OriginClient;
    readonly gateOf: (origin: string) => Gate;
    readonly now: () => number;
    readonly section: string;
  }) {
    const path = `push_notifications.${options.section}`;
    this.#credentialAdvice = `check ${path}.subject, the VAPID keys, and the clock of this machine`;
    this.#mismatchAdvice = `the subscription was made for another VAPID key: it has to be made anew, or the pair of that key named in ${path}.previous_vapid_keys`;
    this.#vapid = options.vapid;
    this.#clientOf = options.clientOf;
    this.#gateOf = options.gateOf;
    this.#now = options.now;
  }

  /**
   * Sends one request, signed by the first key that is to be tried, and reports.
   * @param onDone called once, after the report
   */
  deliver(
    one: Addressed,
    client: OriginClient,
    slot: Slot,
    request: HttpRequest,
    results: Results,
    onDone: () => void,
  ): void {
    const conclude = (last: PushResponse | TransportError): void => {
      this.#conclude(one, last, results);
      onDone();
    };
    client.send(slot, request, (result) => {
      const first = result instanceof TransportError ? result : readResponse(result);
      if (first instanceof TransportError || faultOf(first) !== 'mismatch') conclude(first);
      else this.#tryOtherKeys(one, request, first).then(conclude, conclude);
    });
  }

  /** Reports what was held back until the rest of the batch was known. */
  settleDoubtful({ report, doubtful, accepted }: Results): void {
    for (const outcome of this.#guard.settle(doubtful, accepted)) report(outcome);
  }

  /** One key of ours after the other, while the service finds that it is not the right one. Rejects with `TransportError`. */
  async #tryOtherKeys(
    { endpoint, vapid }: Addressed,
    { path, headers, body }: HttpRequest,
    first: PushResponse,
  ): Promise<PushResponse> {
    let response = first;
    for (const signer of this.#vapid.signersFor(vapid).slice(1)) {
      const client = this.#clientOf(endpoint);
      const [slot] = await client.acquire();
      const request = {
        path,
        headers: withAuthorization(headers, signer.authorization(endpoint.origin)),
        body,
      };
      response = readResponse(await answerTo((onResult) => client.send(slot, request, onResult)));
      if (faultOf(response) !== 'mismatch') break;
    }
    return response;
  }

  #conclude(one: Addressed, last: PushResponse | TransportError, results: Results): void {
    const { index, endpoint } = one;
    if (last instanceof TransportError) {
      results.report({ index, ...answerOfError(last) });
      return;
    }
    const outcome = outcomeOf(hideToken(last, endpoint.path), index, this.#now());
    this.#settle(one, outcome, faultOf(last), results);
  }

  #settle(
    { endpoint, vapid }: Addressed,
    outcome: Outcome,
    fault: WebPushFault | undefined,
    results: Results,
  ): void {
    const { report, doubtful } = results;
    switch (fault) {
      case undefined:
        if (outcome.kind === 'accepted') {
          results.accepted += 1;
          this.#guard.accept();
        }
        report(outcome);
        break;
      case 'mismatch':
        // Only what is known to have been made for a key that is not ours can never be reached again.
        if (vapid !== undefined && !this.#vapid.has(vapid)) doubtful.push(this.#mismatch(outcome, 'gone'));
        else report(this.#mismatch(outcome, 'failed'));
        break;
      case 'credential': {
        const reason = `${outcome.reason}; ${this.#credentialAdvice}`;
        report(shut(this.#gateOf(endpoint.origin), { ...outcome, kind: 'retry', reason }));
        break;
      }
      case 'quota':
        report(shut(this.#gateOf(endpoint.origin), outcome));
        break;
    }
  }

  #mismatch(outcome: Outcome, kind: 'gone' | 'failed'): Outcome {
    const reason = `${outcome.reason}; ${this.#mismatchAdvice}`;
    return { ...outcome, kind, code: 'vapid_key_mismatch', reason };
  }
}

/** Everything on the way to the service may pass, but for a name that leads into a private network. */
export function answerOfError(error: TransportError): Answer {
  const { outcome } = verdictOfError(error);
  return error.code === 'address_blocked' ? { ...outcome, kind: 'failed' } : outcome;
}

/** Shuts a gate for what concerns everybody; the target waits as long as it. */
function shut(gate: Gate, outcome: Outcome): Outcome {
  const { code, reason = code } = outcome;
  gate.shut({ code, reason, retryAfterMs: outcome.retryAfterMs });
  const retryAfterMs = gate.refusal()?.retryAfterMs ?? outcome.retryAfterMs ?? MEND_MS;
  return { ...outcome, retryAfterMs, isHeld: true };
}

function withAuthorization(headers: HeaderList, authorization: string): HeaderList {
  return headers.with(headers.indexOf('authorization') + 1, authorization);
}

/** The endpoint's last part is its secret; a service may repeat it in its words. */
function hideToken(response: PushResponse, path: string): PushResponse {
  const token = path.slice(path.lastIndexOf('/') + 1);
  if (token.length < MIN_TOKEN_LENGTH || !response.text.includes(token)) return response;
  return { ...response, text: response.text.replaceAll(token, `${token.slice(0, 4)}…`) };
}
