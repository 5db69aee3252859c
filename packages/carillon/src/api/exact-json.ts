/**
 * JSON in and out of the server API without loss: a number that a JavaScript number cannot hold, such as a 64-bit id, comes out of
 * payloads as it went in.
 */
import { isEmpty, RawBytes, RawJson } from '../realtime/payload.ts';

/** Members of requests that hold the application's own JSON, which is passed on and never looked at. */
const PAYLOADS = new Set(['data', 'info', 'params']);
/** Shorter ones are safe as numbers; most bodies have none that is longer. */
const LONG_NUMBER = /\d{16}/;
const COMMANDS = 'commands';

/** A number as its text (ECMAScript 2026), which `JSON.stringify` writes as it stands. */
interface RawNumber {
  readonly rawJSON: string;
}
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

/** As `JSON.parse`, but long numbers within payloads keep their digits. @throws SyntaxError */
export function parseExact(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return settle(JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown), true);
}

/** The same for a command, whose members are requests. @throws SyntaxError */
export function parseExactCommand(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return settleCommand(JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown));
}

function keepDigits(_key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === 'number' &&
    source !== undefined &&
    String(value) !== source &&
    LONG_NUMBER.test(source)
    ? rawJSON(source)
    : value;
}

/** Turns what is no payload back into numbers. A batch has its requests two levels down. */
function settle(value: unknown, isRequest: boolean): unknown {
  if (isRawJSON(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map((item) => settle(item, isRequest));
  if (typeof value !== 'object' || value === null) return value;
  const isBatch = isRequest && COMMANDS in value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (isRequest && PAYLOADS.has(key)) return [key, item];
      if (isBatch && key === COMMANDS && Array.isArray(item)) return [key, item.map(settleCommand)];
      return [key, settle(item, false)];
    }),
  );
}

function settleCommand(command: unknown): unknown {
  if (typeof command !== 'object' || command === null || Array.isArray(command) || isRawJSON(command))
    return settle(command, false);
  return Object.fromEntries(Object.entries(command).map(([name, request]) => [name, settle(request, true)]));
}

/**
 * As `JSON.stringify`, with JSON payloads embedded as they are. Other bytes stand as base64 under `b64` and the member's
 * name.
 */
export function encodeResult(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(encodeResult).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  let text = '';
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined || (member instanceof RawBytes && isEmpty(member))) continue;
    const encoded =
      member instanceof RawBytes
        ? `${JSON.stringify(`b64${key}`)}:"${member.bytes.toString('base64')}"`
        : `${JSON.stringify(key)}:${encodeResult(member)}`;
    text += `${text && ','}${encoded}`;
  }
  return `{${text}}`;
}
