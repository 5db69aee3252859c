import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { OVERRIDABLE, type Override } from '../../realtime/claims.ts';
import { bytesOf, type Payload, payloadOfBytes, RawBytes, RawJson } from '../../realtime/payload.ts';
import { Flag } from './push-schemas.ts';

/** Any JSON, or a payload that is one already, as gRPC brings it. */
export const Any = Type.Optional(Type.Unknown());

/** `{"presence": {"value": true}}` and the like. */
export const OverrideSchema = Type.Optional(
  Type.Object(
    Object.fromEntries(OVERRIDABLE.map((name) => [name, Type.Optional(Type.Object({ value: Flag }))])),
  ),
);

/**
 * What `name` or, if that is given, `b64name` holds.
 * @throws ApiError 107 for what is no base64
 */
export function payloadOf(value: unknown, encoded: string | undefined, name: string): Payload | undefined {
  if (!encoded) {
    if (value === undefined || value instanceof RawJson || value instanceof RawBytes) return value;
    return RawJson.of(value);
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0)
    throw badRequest(`b64${name}`, 'must be standard padded base64');
  return payloadOfBytes(Buffer.from(encoded, 'base64'));
}

/** As it travels to other nodes: any bytes, unchanged. */
export function base64Of(payload: Payload | undefined): string | undefined {
  return payload && bytesOf(payload).toString('base64');
}

/** What is left out keeps the namespace's value. */
export function overrideOf(
  given: Readonly<Record<string, { value?: boolean } | undefined>> | undefined,
): Override | undefined {
  if (!given) return undefined;
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, flag]) => (flag ? [[name, flag.value ?? false]] : [])),
  );
}
