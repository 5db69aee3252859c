import type { Logger } from '../logger.ts';
import { type Dispatcher, RequestTypeError } from './dispatch.ts';
import { encodeResult, parseExactCommand } from './exact-json.ts';
import { errorBody, toApiError } from './replies.ts';

const CALL = { wantsResult: true, protocol: 'http' } as const;

/** Commands of one request; who has more sends several. */
const MAX_COMMANDS = 1_000;

/**
 * Centrifugo's older way, which clients of its early versions use: all commands at one address, each an object
 * `{"id"?, "method", "params"}` on a line of its own, and a reply `{"id"?, "result" | "error"}` on a line for each (server-api,
 * section 1). Commands run in order.
 * @throws RequestTypeError for a body that is not such lines, before anything of it runs
 */
export async function runLegacy(dispatcher: Dispatcher, body: string, logger: Logger): Promise<string> {
  const commands = body
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(readCommand);
  if (commands.length === 0 || commands.length > MAX_COMMANDS) {
    throw new RequestTypeError(`body must have 1 to ${MAX_COMMANDS} commands, got ${commands.length}`);
  }
  const replies: string[] = [];
  for (const { id, method, params } of commands) {
    let reply: object;
    try {
      reply = { result: await dispatcher.dispatch(method, params, CALL) };
    } catch (error) {
      reply = { error: errorBody(toApiError(error, method, logger)) };
    }
    // Line ends part replies; within valid JSON they are mere space.
    replies.push(encodeResult({ id: id || undefined, ...reply }).replaceAll(/[\r\n]/g, ''));
  }
  return replies.join('\n');
}

function readCommand(line: string): { id: number; method: string; params: unknown } {
  let command: unknown;
  try {
    command = parseExactCommand(line);
  } catch (error) {
    throw new RequestTypeError(`a command is not valid JSON: ${(error as Error).message}`);
  }
  const { id = 0, method = '', params } = (command ?? {}) as Record<string, unknown>;
  if (typeof method !== 'string' || typeof id !== 'number') {
    throw new RequestTypeError('a command must have the name of its method as text, and its id as a number');
  }
  // A batch has no place among these.
  return {
    id,
    method: method.toLowerCase() === 'batch' ? '' : method.toLowerCase(),
    params: withLowerCaseNames(params),
  };
}

/** Centrifugo reads names in any case, and its client for Go relies on that: it has `Disconnect` for `disconnect`. */
function withLowerCaseNames(params: unknown): unknown {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return params;
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name.toLowerCase(), value]));
}
