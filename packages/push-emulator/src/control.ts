import { isIP } from 'node:net';
import { chromiumArguments } from './browsers/chromium.ts';
import { firefoxPreferences } from './browsers/firefox.ts';
import type { PushEmulator } from './emulator.ts';
import { sendEvents } from './events.ts';
import type { Fault } from './faults.ts';
import { originOf, type Request, type Response, readBody, writeAnswer } from './http.ts';
import { recordToJson } from './journal.ts';
import type { Answer } from './service.ts';
import { controlVendors } from './vendor-control.ts';
import type { SubscribeOptions } from './webpush/virtual.ts';

const MAX_BODY_BYTES = 16_384;

/**
 * The emulator's remote control, for its page and for tests in other languages:
 *
 *   GET    /control/state           addresses, the authority's certificate, what browsers need, faults that wait
 *   GET    /control/messages        every push so far, oldest first; DELETE forgets them
 *   GET    /control/events          the same as server-sent events, going on with what comes
 *   GET    /control/subscriptions   every subscription, the ended ones too
 *   POST   /control/subscriptions   makes one without a browser: {service?, vapidKey?, isSecure?}
 *   POST   /control/unsubscribe     ends one: {endpoint}
 *   GET    /control/faults          those that wait; POST adds a Fault; DELETE clears all
 *   POST   /control/disconnect      cuts the browsers' sockets
 *   POST   /control/lose            forgets every browser, as a service that lost its data
 *   POST   /control/fcm/…, hms/…, apns/…, access-tokens/…   credentials and virtual phones; see `controlVendors`
 *
 * Bodies are `application/json`, at least `{}`. Pages of other origins cannot use it: not by a request of their own origin, not by a
 * simple one, not by a name that they let point here.
 */
export async function handleControl(
  emulator: PushEmulator,
  path: string,
  request: Request,
  response: Response,
): Promise<void> {
  const method = request.method ?? 'GET';
  const stranger = whyNotAllowed(request);
  if (stranger !== undefined) return writeAnswer(response, error(403, stranger));
  if (method === 'GET' && path === '/control/events') return sendEvents(emulator, response);
  if (method !== 'POST') return writeAnswer(response, answerWithoutBody(emulator, `${method} ${path}`));
  if (request.headers['content-type']?.split(';')[0] !== 'application/json') {
    return writeAnswer(response, error(415, 'content-type must be application/json'));
  }
  const body = await readBody(request, MAX_BODY_BYTES);
  if (!body) return writeAnswer(response, error(413, `the body may have ${MAX_BODY_BYTES} bytes`));
  try {
    await writeAnswer(response, answerPost(emulator, path, JSON.parse(String(body))));
  } catch (thrown) {
    await writeAnswer(response, error(400, (thrown as Error).message));
  }
}

function answerWithoutBody(emulator: PushEmulator, what: string): Answer {
  switch (what) {
    case 'GET /control/state':
      return { status: 200, body: stateOf(emulator) };
    case 'GET /control/messages':
      return { status: 200, body: emulator.messages().map(recordToJson) };
    case 'DELETE /control/messages':
      emulator.forgetMessages();
      return { status: 200, body: {} };
    case 'GET /control/subscriptions':
      return { status: 200, body: emulator.subscriptions() };
    case 'GET /control/faults':
      return { status: 200, body: emulator.faults.all() };
    case 'DELETE /control/faults':
      emulator.faults.clear();
      return { status: 200, body: {} };
    default:
      return error(404, `no ${what}`);
  }
}

/** @throws when the body is not what is expected, in words */
function answerPost(emulator: PushEmulator, path: string, body: unknown): Answer {
  switch (path) {
    case '/control/faults':
      emulator.faults.add(body as Fault);
      return { status: 200, body: {} };
    case '/control/subscriptions':
      return { status: 200, body: emulator.subscribe((body ?? {}) as SubscribeOptions) };
    case '/control/unsubscribe': {
      const { endpoint } = (body ?? {}) as { endpoint?: unknown };
      if (typeof endpoint === 'string' && emulator.unsubscribe(endpoint)) return { status: 200, body: {} };
      return error(404, `endpoint is ${JSON.stringify(endpoint)}: that of a subscription is expected`);
    }
    case '/control/disconnect':
      emulator.disconnect();
      return { status: 200, body: {} };
    case '/control/lose':
      emulator.loseSubscriptions();
      return { status: 200, body: {} };
    default: {
      const answer = controlVendors(emulator, path, body);
      return answer ? { status: 200, body: answer } : error(404, `no POST ${path}`);
    }
  }
}

function stateOf(emulator: PushEmulator): object {
  const { url, httpsUrl, apnsUrl, wsUrl, mcsUrl, ca, spkiHash, faults } = emulator;
  return {
    url,
    httpsUrl,
    apnsUrl,
    wsUrl,
    mcsUrl,
    ca,
    spkiHash,
    chromiumArguments: chromiumArguments(emulator),
    firefoxPreferences: firefoxPreferences(emulator),
    faults: faults.all(),
  };
}

/**
 * Requests of a page carry its origin where it is another. A page whose name points here, to be of the same origin, has a name with a
 * dot, which nobody calls the emulator by.
 */
function whyNotAllowed(request: Request): string | undefined {
  const own = originOf(request);
  const hostname = URL.parse(own)?.hostname ?? '';
  const isLocal =
    isIP(hostname.replace(/^\[|\]$/g, '')) > 0 || !hostname.includes('.') || hostname.endsWith('.localhost');
  if (!isLocal)
    return `the host is ${JSON.stringify(hostname)}: an address, or a name without a dot, is allowed`;
  const { origin } = request.headers;
  if (origin !== undefined && origin !== own) return 'pages of other origins may not';
  return undefined;
}

function error(status: number, message: string): Answer {
  return { status, body: { error: message } };
}
