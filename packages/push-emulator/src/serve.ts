import { randomUUID } from 'node:crypto';
import type { ServerHttp2Session } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { breakOff, dropIfLost } from './disturb.ts';
import type { Fault, Faults } from './faults.ts';
import { originOf, type Request, type Response, readBody, writeAnswer } from './http.ts';
import type { Journal, PushRecord } from './journal.ts';
import type { Answer, Route, Service, ServiceRequest } from './service.ts';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface ServeOptions {
  readonly journal: Journal;
  readonly faults: Faults;
  readonly now: () => number;
  /** Ends delays when the emulator closes. */
  readonly closing: AbortSignal;
}

/**
 * What stands around the services. A request goes: route, by path → body → the service's judgement → journal → fault, if one is
 * due → delivery → answer. A fault takes the place of the answer, and unless it is `after: 'delivery'` or merely slow, of
 * the delivery, too.
 * @returns a handler for requests to these services; it resolves with false when the path is none of theirs
 */
export function createServe({ journal, faults, now, closing }: ServeOptions) {
  return async function serve(
    services: readonly Service[],
    request: Request,
    response: Response,
  ): Promise<boolean> {
    const url = URL.parse(request.url ?? '', 'http://emulator');
    if (!url) return false;
    const method = request.method ?? 'GET';
    for (const service of services) {
      const route = service.route(method, url.pathname);
      if (!route) continue;
      const session = 'stream' in request ? (request.stream.session as ServerHttp2Session) : undefined;
      const body = await readBody(request, route.maxBody);
      if (dropIfLost(request)) return true;
      const serviceRequest: ServiceRequest = {
        method,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body,
        origin: originOf(request),
        ...(session && { session }),
      };
      if (route.kind === 'push') await push(service, route, serviceRequest, request, response);
      else await call(service, route, serviceRequest, request, response);
      return true;
    }
    return false;
  };

  async function push(
    service: Service,
    route: Extract<Route, { kind: 'push' }>,
    serviceRequest: ServiceRequest,
    request: Request,
    response: Response,
  ): Promise<void> {
    const record: PushRecord = {
      id: randomUUID(),
      service: service.name,
      target: route.target ?? '',
      receivedAt: now(),
      state: 'received',
      body: serviceRequest.body ?? Buffer.alloc(0),
      sentAt: [],
    };
    const { answer, refusal, deliver } = await route.judge(serviceRequest, record);
    journal.add(record);
    const isAccepted = refusal === undefined;
    const fault = faults.take({ service: service.name, kind: 'push', target: record.target, isAccepted });
    const handOn = () => {
      if (!isAccepted) return;
      deliver?.();
      if (record.state === 'received') record.state = 'accepted';
    };
    const settle = (changes: Partial<PushRecord>) => {
      Object.assign(record, changes);
      journal.changed(record);
    };

    if (fault?.after === 'delivery') handOn();
    if (fault?.kind === 'delay') await pause(fault);
    const isSlowOnly = fault?.kind === 'delay' || fault?.kind === 'drip';
    if (fault && !isSlowOnly) {
      const isDelivered = fault.after === 'delivery' && isAccepted;
      const instead = answerOf(service, fault, serviceRequest);
      if (instead) {
        const reason = fault.reason ?? 'fault on request';
        settle({ status: instead.status, reason, ...(!isDelivered && { state: 'refused' }) });
        return writeAnswer(response, instead);
      }
      settle(isDelivered ? {} : { state: 'unanswered' });
      return breakOff(fault, request, response);
    }
    if (fault?.after !== 'delivery') {
      // A client that has gone before it was answered may come again; what it asked for happens all the same, unless a GOAWAY said not.
      if (dropIfLost(request)) return settle({ state: 'unanswered' });
      handOn();
    }
    settle({ status: answer.status, ...(!isAccepted && { state: 'refused', reason: refusal }) });
    await writeAnswer(response, answer, slowness(fault));
  }

  async function call(
    service: Service,
    route: Extract<Route, { kind: 'call' }>,
    serviceRequest: ServiceRequest,
    request: Request,
    response: Response,
  ): Promise<void> {
    const { method, path: target } = serviceRequest;
    // A preflight is the browser's own; what comes after it is disturbed.
    const fault =
      method === 'OPTIONS'
        ? undefined
        : faults.take({ service: service.name, kind: 'call', target, isAccepted: true });
    if (fault?.kind === 'delay') await pause(fault);
    const isSlowOnly = fault === undefined || fault.kind === 'delay' || fault.kind === 'drip';
    const answer = isSlowOnly || fault.after === 'delivery' ? await route.answer(serviceRequest) : undefined;
    if (isSlowOnly) return writeAnswer(response, answer!, slowness(fault));
    const instead = answerOf(service, fault, serviceRequest);
    if (instead) return writeAnswer(response, instead);
    breakOff(fault, request, response);
  }

  /** What a `status` or `error` fault has the service answer; undefined for the other kinds. */
  function answerOf(service: Service, fault: Fault, request: ServiceRequest): Answer | undefined {
    if (fault.kind !== 'status' && fault.kind !== 'error') return undefined;
    const answer = service.errorAnswer(fault, request) ?? { status: fault.status ?? 500 };
    const headers = Object.entries(answer.headers ?? {}).filter(
      ([name]) => name.toLowerCase() !== 'retry-after',
    );
    // With and without `Retry-After` are two different faults: it is the fault's to say.
    if (fault.retryAfter !== undefined) headers.push(['Retry-After', fault.retryAfter]);
    // Back to itself: who follows it, credentials and all, comes twice.
    if (REDIRECTS.has(answer.status)) headers.push(['Location', `${request.origin}${request.path}`]);
    return { ...answer, headers: Object.fromEntries(headers) };
  }

  function slowness(fault: Fault | undefined) {
    return fault?.kind === 'drip' ? { dripMs: fault.ms ?? 0, closing } : {};
  }

  function pause({ ms }: Fault): Promise<void> {
    return sleep(ms, undefined, { signal: closing }).catch(() => {});
  }
}
