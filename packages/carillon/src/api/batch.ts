import { Type } from 'typebox';
import { ApiError } from '../errors.ts';
import { type Dispatcher, RequestTypeError } from './dispatch.ts';
import { defineMethod, type Method } from './method.ts';
import type { ErrorReply } from './replies.ts';

/** When a command names several methods, the first of these runs (server-api, section 6). */
const PRECEDENCE = [
  'publish',
  'broadcast',
  'subscribe',
  'unsubscribe',
  'disconnect',
  'history',
  'history_remove',
  'presence',
  'presence_stats',
  'info',
  'rpc',
  'refresh',
  'channels',
];
const MAX_PARALLEL = 1024;

type BatchReply = Record<string, object> | ErrorReply;

/**
 * `batch`: many commands in one call, in order or side by side; replies keep the commands' order and carry errors in
 * themselves. A wrong type in one command refuses the whole batch, as it would refuse the call alone.
 */
export function batchMethod(
  dispatcher: () => Dispatcher,
  toErrorReply: (error: unknown) => ErrorReply,
): Method {
  return defineMethod({
    name: 'batch',
    mutating: false,
    request: Type.Object({
      commands: Type.Optional(Type.Array(Type.Unknown())),
      parallel: Type.Optional(Type.Boolean()),
    }),
    async handle({ commands = [], parallel = false }) {
      const run = (command: unknown) => runCommand(dispatcher(), command, toErrorReply);
      const replies: BatchReply[] = [];
      const step = parallel ? MAX_PARALLEL : 1;
      for (let start = 0; start < commands.length; start += step) {
        replies.push(...(await Promise.all(commands.slice(start, start + step).map(run))));
      }
      return { replies };
    },
  });
}

async function runCommand(
  dispatcher: Dispatcher,
  command: unknown,
  toErrorReply: (error: unknown) => ErrorReply,
): Promise<BatchReply> {
  try {
    if (typeof command !== 'object' || command === null || Array.isArray(command)) {
      throw new ApiError('badRequest', 'command: must be an object');
    }
    const names = Object.keys(command).filter((name) => name !== 'batch' && dispatcher.has(name));
    const name = PRECEDENCE.find((candidate) => names.includes(candidate)) ?? names[0];
    if (name === undefined)
      throw new ApiError('notFound', `no known method in command {${Object.keys(command)}}`);
    return { [name]: await dispatcher.dispatch(name, (command as Record<string, unknown>)[name]) };
  } catch (error) {
    if (error instanceof RequestTypeError) throw error;
    return toErrorReply(error);
  }
}
