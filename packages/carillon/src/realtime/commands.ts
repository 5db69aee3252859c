import { disconnect } from './codes.ts';

/** Requests of the client protocol, in the order in which they are looked for (client-protocol, section 3). */
export const REQUESTS = [
  'connect',
  'subscribe',
  'unsubscribe',
  'publish',
  'presence',
  'presence_stats',
  'history',
  'rpc',
  'send',
  'refresh',
  'sub_refresh',
  'ping',
] as const;
export type RequestName = (typeof REQUESTS)[number];

/** One message from a client. `name` is undefined for a pong or a command that asks nothing known. */
export interface Command {
  readonly id: number;
  readonly name: RequestName | undefined;
  readonly request: Readonly<Record<string, unknown>>;
}

/**
 * Splits a JSON frame into commands.
 * @throws Disconnect 3501 for an empty frame or one that is not JSON objects separated by newlines
 */
export function parseFrame(frame: string): Command[] {
  const lines = frame.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw disconnect('badRequest');
  return lines.map(parseCommand);
}

function parseCommand(line: string): Command {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw disconnect('badRequest');
  }
  if (!isRecord(value)) throw disconnect('badRequest');
  const { id = 0 } = value;
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > 0xffff_ffff)
    throw disconnect('badRequest');
  const name = REQUESTS.find((candidate) => isRecord(value[candidate]));
  return { id: id as number, name, request: name ? (value[name] as Record<string, unknown>) : {} };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member that must be text when it is there. @throws Disconnect 3501 */
export function textOf(request: Command['request'], key: string): string {
  const value = request[key] ?? '';
  if (typeof value !== 'string') throw disconnect('badRequest');
  return value;
}

/** A member that must be a whole number when it is there. @throws Disconnect 3501 */
export function wholeOf(request: Command['request'], key: string): number {
  const value = request[key] ?? 0;
  if (!Number.isSafeInteger(value)) throw disconnect('badRequest');
  return value as number;
}

export function flagOf(request: Command['request'], key: string): boolean {
  const value = request[key] ?? false;
  if (typeof value !== 'boolean') throw disconnect('badRequest');
  return value;
}
