import { disconnect } from './codes.ts';
import { DeltaData, isEmpty, RawBytes, RawJson } from './payload.ts';

/**
 * As `JSON.stringify`, with payloads embedded. Undefined members are left out, as are payloads without a byte. The text is a single line.
 * @throws Disconnect 3506 for a payload that is no JSON
 */
export function encodeJson(value: unknown): string {
  if (value instanceof RawJson) return oneLine(value.text);
  if (value instanceof RawBytes) throw disconnect('inappropriateProtocol');
  if (value instanceof DeltaData) {
    if (!value.isText) throw disconnect('inappropriateProtocol');
    return JSON.stringify(value.bytes.toString());
  }
  if (Array.isArray(value)) return `[${value.map(encodeJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  let text = '';
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined || (member instanceof RawBytes && isEmpty(member))) continue;
    text += `${text && ','}${JSON.stringify(key)}:${encodeJson(member)}`;
  }
  return `{${text}}`;
}

/** Line ends part messages; within valid JSON they are mere space. */
function oneLine(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]/g, '') : text;
}
