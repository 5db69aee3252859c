import { disconnect } from './codes.ts';
import { type Payload, payloadOfBytes, RawJson } from './payload.ts';

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
] as const;
export type RequestName = (typeof REQUESTS)[number];

/** One message from a client. `name` is undefined for a pong or a command that asks nothing known. */
export interface Command {
  readonly id: number;
  readonly name: RequestName | undefined;
  readonly request: Readonly<Record<string, unknown>>;
  /** Of the command as it came. */
  readonly bytes: number;
}

/** Which of the known requests a decoded command makes: the first, when there are several. */
export function requestOf(value: Readonly<Record<string, unknown>>): Pick<Command, 'name' | 'request'> {
  const name = REQUESTS.find((candidate) => isRecord(value[candidate]));
  return { name, request: name ? (value[name] as Record<string, unknown>) : {} };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
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

/** An offset in a stream, 0 when it is not there. @throws Disconnect 3501 */
export function offsetOf(request: Command['request']): number {
  const offset = wholeOf(request, 'offset');
  if (offset < 0) throw disconnect('badRequest');
  return offset;
}

export function flagOf(request: Command['request'], key: string): boolean {
  const value = request[key] ?? false;
  if (typeof value !== 'boolean') throw disconnect('badRequest');
  return value;
}

/** A member that is the application's own: any JSON, or bytes from Protobuf, which may be JSON. Undefined when it is not there. */
export function payloadIn(request: Command['request'], key: string): Payload | undefined {
  const value = request[key];
  if (value === undefined) return undefined;
  if (value instanceof RawJson) return value;
  return value instanceof Uint8Array ? payloadOfBytes(value) : RawJson.of(value);
}
