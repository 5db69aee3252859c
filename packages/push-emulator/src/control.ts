import type { PushEmulator } from './emulator.ts';
import type { Fault } from './faults.ts';
import { type Request, type Response, readBody, writeAnswer } from './http.ts';
import { recordToJson } from './journal.ts';

const MAX_BODY_BYTES = 16_384;

/**
 * The emulator's remote control, for tests in other languages:
 *
 *   GET    /control/messages        every push so far, oldest first; DELETE forgets them
 *   GET    /control/subscriptions   every subscription, the ended ones too
 *   POST   /control/faults          a Fault as JSON; DELETE clears all
 *   POST   /control/disconnect      cuts the browsers' sockets
 *
 * A request with a body must be `application/json`: a page of another origin cannot send that without a preflight, which is
 * never granted.
 */
export async function handleControl(
  emulator: PushEmulator,
  path: string,
  request: Request,
  response: Response,
): Promise<void> {
  const answer = (status: number, value: unknown) => {
    void writeAnswer(response, { status, body: value as object });
  };
  switch (`${request.method} ${path}`) {
    case 'GET /control/messages':
      return answer(200, emulator.messages().map(recordToJson));
    case 'DELETE /control/messages':
      emulator.forgetMessages();
      return answer(200, {});
    case 'GET /control/subscriptions':
      return answer(200, emulator.subscriptions());
    case 'POST /control/faults': {
      if (request.headers['content-type'] !== 'application/json') {
        return answer(415, { error: 'content-type must be application/json' });
      }
      const body = await readBody(request, MAX_BODY_BYTES);
      try {
        emulator.faults.add(JSON.parse(String(body)) as Fault);
        return answer(200, {});
      } catch (error) {
        return answer(400, { error: (error as Error).message });
      }
    }
    case 'DELETE /control/faults':
      emulator.faults.clear();
      return answer(200, {});
    case 'POST /control/disconnect':
      if (request.headers['content-type'] !== 'application/json') {
        return answer(415, { error: 'content-type must be application/json' });
      }
      emulator.disconnect();
      return answer(200, {});
    default:
      return answer(404, { error: `no ${request.method} ${path}` });
  }
}
