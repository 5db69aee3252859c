import { Type } from 'typebox';
import { ApiError } from '../errors.ts';
import type { Dispatcher } from './dispatch.ts';
import { type Call, defineMethod, type Method } from './method.ts';
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
type Prepared = (call: Call) => Promise<Record<string, object>>;

/**
 * `batch`: many commands in one call, in order or side by side; replies keep the commands' order and carry errors in
 * themselves. A wrong type in one command refuses the whole batch before anything of it has run, as it would refuse the call
 * alone: who repeats it does nothing twice.
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
    async handle({ commands = [], parallel = false }, call) {
      const prepared = commands.map((command) => prepare(dispatcher(), command));
      const run = (command: Prepared) => command(call).catch(toErrorReply);
      const replies: BatchReply[] = [];
      const step = parallel ? MAX_PARALLEL : 1;
      for (let start = 0; start < prepared.length; start += step) {
        replies.push(...(await Promise.all(prepared.slice(start, start + step).map(run))));
      }
      return { replies };
    },
  });
}

/** Checks the types of a command. What else is wrong with it is in its reply. @throws RequestTypeError */
function prepare(dispatcher: Dispatcher, command: unknown): Prepared {
  if (typeof command !== 'object' || command === null || Array.isArray(command))
    return refused(dispatcher, new ApiError('badRequest', 'command: must be an object'));
  const names = Object.keys(command).filter((name) => name !== 'batch' && dispatcher.has(name));
  const name = PRECEDENCE.find((candidate) => names.includes(candidate)) ?? names[0];
  if (name === undefined)
    return refused(
      dispatcher,
      new ApiError('notFound', `no known method in command {${Object.keys(command)}}`),
    );
  const run = dispatcher.prepare(name, (command as Record<string, unknown>)[name]);
  return async (call) => ({ [name]: await run(call) });
}

/** It reaches no method, and is counted here. */
function refused(dispatcher: Dispatcher, error: ApiError): Prepared {
  return (call) => {
    dispatcher.countError(call, 'unknown', error);
    return Promise.reject(error);
  };
}
