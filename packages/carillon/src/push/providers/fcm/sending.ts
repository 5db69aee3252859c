import type { Errand } from '../authorized-service.ts';
import type { HttpResponse } from '../http/response-reader.ts';
import type { HeaderList, HttpRequest } from '../http/transport.ts';
import type { Outcome, Target } from '../provider.ts';
import type { RemovalGuard } from '../removal-guard.ts';
import { UnderWay } from '../under-way.ts';
import type { Verdict } from '../verdict.ts';
import { judge } from './answer.ts';
import type { AddressMember, EncodedMessage } from './message.ts';

const MAX_SHARED_HEADERS = 1_000;
/** A Firebase installation id, as the web SDK makes them (`vendors` 1.3). Registration tokens are far longer. */
const INSTALLATION_ID = /^[cdef][\w-]{21}$/;
const INSTALLATION_ID_LENGTH = 22;

/** A target with the message that it gets. */
export interface Ready {
  readonly index: number;
  readonly target: Target;
  readonly message: EncodedMessage;
}

/** What all batches of a provider share. */
export interface FcmContext {
  readonly path: string;
  readonly headersOf: (accessToken: string, length: number) => HeaderList;
  readonly guard: RemovalGuard;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** One batch under way: its requests, and the outcomes that wait for the others. */
export class Sending {
  readonly context: FcmContext;
  readonly #report: (outcome: Outcome) => void;
  readonly #underWay = new UnderWay();
  readonly #doubtful: Outcome[] = [];
  #accepted = 0;

  constructor(context: FcmContext, report: (outcome: Outcome) => void) {
    this.context = context;
    this.#report = report;
  }

  /** What is to be sent for one target; its verdict comes here. */
  begin(one: Ready): Errand<Verdict> {
    this.#underWay.begin();
    return new FcmErrand(this, one);
  }

  settle(index: number, { outcome, effect }: Verdict): void {
    // V8 copies what is spread first at once, and else member by member.
    const ofTarget = { ...outcome, index };
    if (outcome.kind === 'accepted') {
      this.#accepted += 1;
      this.context.guard.accept();
    }
    if (effect === 'doubtful') this.#doubtful.push(ofTarget);
    else this.#report(ofTarget);
    this.#underWay.end();
  }

  /** Resolves when all are settled and reported. */
  async ended(): Promise<void> {
    await this.#underWay.ended();
    // Others of the batch that were accepted show that its message is not at fault.
    for (const outcome of this.context.guard.settle(this.#doubtful, this.#accepted)) this.#report(outcome);
  }
}

class FcmErrand implements Errand<Verdict> {
  readonly count = 1;
  readonly #sending: Sending;
  readonly #one: Ready;

  constructor(sending: Sending, one: Ready) {
    this.#sending = sending;
    this.#one = one;
  }

  request(accessToken: string): HttpRequest {
    const { target, message } = this.#one;
    const { path, headersOf } = this.#sending.context;
    const body = message.bodyFor(memberOf(target), target.token);
    return { path, headers: headersOf(accessToken, body.length), body };
  }

  judge(response: HttpResponse): Verdict {
    return judge(response, this.#sending.context.now(), this.#one.target.token);
  }

  settle(verdict: Verdict): void {
    this.#sending.settle(this.#one.index, verdict);
  }
}

/** The member of the message that holds the address. `token` takes installation ids, too, but only for a time. */
function memberOf({ token, kind }: Target): AddressMember {
  if (kind) return kind;
  return token.length === INSTALLATION_ID_LENGTH && INSTALLATION_ID.test(token) ? 'fid' : 'token';
}

/** Headers are shared by all requests of a length: tokens of a kind are alike. */
export function requestHeaders(): (accessToken: string, length: number) => HeaderList {
  const byLength = new Map<number, HeaderList>();
  let current = '';
  return (accessToken, length) => {
    if (accessToken !== current || byLength.size > MAX_SHARED_HEADERS) byLength.clear();
    current = accessToken;
    let headers = byLength.get(length);
    if (!headers) {
      headers = [
        'authorization',
        `Bearer ${accessToken}`,
        'content-type',
        'application/json; charset=UTF-8',
        'content-length',
        String(length),
      ];
      byLength.set(length, headers);
    }
    return headers;
  };
}
