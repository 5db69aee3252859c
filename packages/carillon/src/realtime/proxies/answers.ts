/**
 * What applications answer to proxies: `{"result": {…}}`, `{"error": {…}}` or `{"disconnect": {…}}`. Whatever else comes is the
 * application's fault: it reaches no client.
 */
import {
  ClaimError,
  type Members,
  numberOf,
  payloadOf,
  type SubscriptionClaims,
  subscriptionClaims,
  subsOf,
  textOf,
} from '../claims.ts';
import { ClientError, Disconnect } from '../codes.ts';
import type { Payload } from '../payload.ts';

const MAX_MESSAGE_LENGTH = 1_024;
const MAX_REASON_BYTES = 123;

/** @throws ClientError or Disconnect as the application says; ClaimError for an answer that is none */
export function resultOf(answer: unknown): Members | undefined {
  const { result, error, disconnect } = membersOf(answer, 'the answer');
  if (disconnect) throw readDisconnect(membersOf(disconnect, 'disconnect'));
  if (error) throw readError(membersOf(error, 'error'));
  return result ? membersOf(result, 'result') : undefined;
}

/** Who a connection is, by `connect`. */
export interface ConnectAnswer {
  readonly user: string;
  readonly expireAt: number;
  readonly info: Payload | undefined;
  readonly data: Payload | undefined;
  readonly meta: Payload | undefined;
  readonly subs: ReadonlyMap<string, SubscriptionClaims>;
}

/** @returns undefined when the application knows nothing of this client */
export function readConnect(answer: unknown): ConnectAnswer | undefined {
  const result = resultOf(answer);
  if (!result) return undefined;
  return {
    user: textOf(result, 'user'),
    expireAt: timeOf(result),
    info: payloadOf(result, 'info'),
    data: payloadOf(result, 'data'),
    meta: payloadOf(result, 'meta'),
    subs: subsOf(result, 'both'),
  };
}

/** Whether a connection or subscription lives on, by `refresh` and `sub_refresh`. */
export type RefreshAnswer =
  | { readonly expired: true }
  | {
      readonly expired: false;
      readonly expireAt: number;
      readonly info: Payload | undefined;
      readonly meta: Payload | undefined;
    };

export function readRefresh(answer: unknown): RefreshAnswer {
  const { result } = membersOf(answer, 'the answer');
  // Errors and disconnects have no meaning here: without a result it is over.
  if (!result) return { expired: true };
  const members = membersOf(result, 'result');
  if (flagOf(members, 'expired')) return { expired: true };
  return {
    expired: false,
    expireAt: timeOf(members),
    info: payloadOf(members, 'info'),
    meta: payloadOf(members, 'meta'),
  };
}

/** What a subscription is let in with, by `subscribe`. */
export function readSubscribe(answer: unknown): SubscriptionClaims & { readonly expireAt: number } {
  const result = resultOf(answer) ?? {};
  return { ...subscriptionClaims(result), expireAt: timeOf(result) };
}

/** How a client's publication goes out, by `publish`. */
export interface PublishAnswer {
  /** In place of what the client sent; undefined to leave it. */
  readonly data: Payload | undefined;
  readonly skipHistory: boolean;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly idempotencyKey: string;
  readonly delta: boolean;
  readonly version: number;
  readonly versionEpoch: string;
}

export function readPublish(answer: unknown): PublishAnswer {
  const result = resultOf(answer) ?? {};
  return {
    data: payloadOf(result, 'data'),
    skipHistory: flagOf(result, 'skip_history'),
    tags: tagsOf(result),
    idempotencyKey: textOf(result, 'idempotency_key'),
    delta: flagOf(result, 'delta'),
    version: wholeOf(result, 'version'),
    versionEpoch: textOf(result, 'version_epoch'),
  };
}

/** The reply to a call, by `rpc`. */
export function readRpc(answer: unknown): { readonly data: Payload | undefined } {
  return { data: payloadOf(resultOf(answer) ?? {}, 'data') };
}

function readError(members: Members): ClientError {
  const code = wholeOf(members, 'code');
  const message = textOf(members, 'message');
  if (code < 1 || code > 1_999) throw new ClaimError('error.code must be from 1 to 1999');
  if (message.length > MAX_MESSAGE_LENGTH)
    throw new ClaimError(`error.message must be at most ${MAX_MESSAGE_LENGTH} characters`);
  return new ClientError(code, message, flagOf(members, 'temporary'));
}

function readDisconnect(members: Members): Disconnect {
  const code = wholeOf(members, 'code');
  const reason = textOf(members, 'reason');
  if (code < 3_000 || code > 4_999) throw new ClaimError('disconnect.code must be from 3000 to 4999');
  if (Buffer.byteLength(reason) > MAX_REASON_BYTES)
    throw new ClaimError(`disconnect.reason must be at most ${MAX_REASON_BYTES} bytes`);
  return new Disconnect(code, reason);
}

function tagsOf({ tags }: Members): Record<string, string> | undefined {
  if (tags === undefined || tags === null) return undefined;
  const entries = Object.entries(membersOf(tags, 'tags'));
  if (!entries.every(([, value]) => typeof value === 'string'))
    throw new ClaimError('tags must be texts by name');
  return Object.fromEntries(entries) as Record<string, string>;
}

/** `expire_at`: unix seconds, 0 for never. */
function timeOf(members: Members): number {
  return Math.max(0, numberOf(members, 'expire_at') ?? 0);
}

function wholeOf(members: Members, name: string): number {
  const value = numberOf(members, name) ?? 0;
  if (!Number.isInteger(value) || value < 0)
    throw new ClaimError(`${name} must be a whole number of 0 or more`);
  return value;
}

function flagOf(members: Members, name: string): boolean {
  const value = members[name] ?? false;
  if (typeof value !== 'boolean') throw new ClaimError(`${name} must be true or false`);
  return value;
}

function membersOf(value: unknown, name: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ClaimError(`${name} must be an object`);
  return value as Members;
}
