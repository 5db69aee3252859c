import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { PushRecord } from './journal.ts';

/** The vendors' services that the emulator stands in for. */
export const SERVICE_NAMES = ['mozilla', 'chromium', 'fcm', 'apns', 'hms', 'oauth', 'firebase'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** One request as a service sees it. */
export interface ServiceRequest {
  readonly method: string;
  /** Of the URL, as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: IncomingHttpHeaders;
  /** Undefined when it is longer than `Route.maxBody`. */
  readonly body: Buffer | undefined;
  /** Scheme and authority as the client named them, e.g. `https://fcm.googleapis.com`. */
  readonly origin: string;
  /** The HTTP/2 connection it came by, the same object for all of its requests; absent over HTTP/1.1. */
  readonly session?: ServerHttp2Session;
}

/** What goes back. An object is sent as JSON. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer | object;
}

/** What a service decided of one push. */
export interface Judgement {
  readonly answer: Answer;
  /** Why it was refused, in the words of the answer; absent when it was accepted. */
  readonly refusal?: string;
  /** Hands an accepted push on to whoever it is for; called once. */
  deliver?(): void;
}

/**
 * Something a service does by HTTP. A `push` route's request becomes a record of the journal as soon as it is judged; faults
 * disturb it. A `call` route (OAuth, registrations) is disturbed only by faults that name its service.
 */
export type Route =
  | {
      readonly kind: 'push';
      readonly maxBody: number;
      /** The address that the push is for, as far as the path tells: an endpoint's token, a device token. */
      readonly target?: string;
      /** Fills in what it learns of the push (target, headers, payload) in its record on the way. */
      judge(request: ServiceRequest, record: PushRecord): Judgement | Promise<Judgement>;
    }
  | {
      readonly kind: 'call';
      readonly maxBody: number;
      answer(request: ServiceRequest): Answer | Promise<Answer>;
    };

/** A vendor's service, as far as HTTP goes. */
export interface Service {
  readonly name: ServiceName;
  /** The route of a path that is one of its own, else undefined. */
  route(method: string, path: string): Route | undefined;
  /**
   * An error in the vendor's own form, for faults on request: by the vendor's word for it (`QUOTA_EXCEEDED`,
   * `BadDeviceToken`, `80300007`) or by HTTP status alone. Undefined when the vendor has no such word.
   * @param request what is answered, where the answer repeats something of it
   */
  errorAnswer(
    fault: { readonly reason?: string; readonly status?: number },
    request?: ServiceRequest,
  ): Answer | undefined;
}

/** What every service is made of. */
export interface ServiceContext {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
