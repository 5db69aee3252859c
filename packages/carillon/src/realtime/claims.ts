import { type Payload, payloadOfBytes, RawJson } from './payload.ts';

const MAX_TTL_S = 365 * 24 * 3600;

/** Options of a namespace that a token, a proxy or the server API may set for one subscription. */
export const OVERRIDABLE = [
  'presence',
  'join_leave',
  'force_push_join_leave',
  'force_recovery',
  'force_positioning',
] as const;
export type Override = Readonly<Partial<Record<(typeof OVERRIDABLE)[number], boolean>>>;

/** What one subscription is made with, whoever lets it in. */
export interface SubscriptionClaims {
  readonly info?: Payload | undefined;
  readonly data?: Payload | undefined;
  readonly override?: Override | undefined;
}

/** The claims of a token that was signed by us (client-protocol, section 7). Times are unix seconds. */
export interface Claims extends SubscriptionClaims {
  readonly user: string;
  /** When the connection or subscription expires; 0 for never. */
  readonly expireAt: number;
  readonly channel: string;
  readonly client: string;
  /** Known to the server and its backend alone. */
  readonly meta: Payload | undefined;
  /** Server-side subscriptions: channel → its options. */
  readonly subs: ReadonlyMap<string, SubscriptionClaims>;
}

export type Members = Readonly<Record<string, unknown>>;

/** A claim that is not what it must be. */
export class ClaimError extends Error {
  override name = 'ClaimError';
}

/**
 * Reads claims whose signature and times are good.
 * @param userClaim  path of the claim that names the user, its members joined by dots; empty for `sub`
 * @throws ClaimError naming the claim
 */
export function readClaims(members: Members, userClaim: string, nowSeconds: number): Claims {
  const expireAt = numberOf(members, 'expire_at') ?? numberOf(members, 'exp') ?? 0;
  return {
    ...subscriptionClaims(members),
    user: userClaim ? userAt(members, userClaim) : textOf(members, 'sub'),
    expireAt: expireAt <= 0 ? 0 : Math.min(expireAt, nowSeconds + MAX_TTL_S),
    channel: textOf(members, 'channel'),
    client: textOf(members, 'client'),
    meta: members.meta === undefined ? undefined : RawJson.of(members.meta),
    subs: subsOf(members, 'either'),
  };
}

/** `info`, `data` and `override`, of a token or of one of its `subs`. @throws ClaimError */
export function subscriptionClaims(members: Members): SubscriptionClaims {
  return {
    info: payloadOf(members, 'info'),
    data: payloadOf(members, 'data'),
    override:
      members.override === undefined || members.override === null
        ? undefined
        : readOverride(members.override),
  };
}

/** `{"presence": {"value": true}}` and the like. @throws ClaimError */
export function readOverride(value: unknown): Override {
  const given = membersOf(value, 'override');
  return Object.fromEntries(
    OVERRIDABLE.flatMap((name) => {
      if (given[name] === undefined || given[name] === null) return [];
      const { value: flag = false } = membersOf(given[name], `override.${name}`);
      if (typeof flag !== 'boolean') throw new ClaimError(`override.${name}.value must be true or false`);
      return [[name, flag]];
    }),
  );
}

/** Plain JSON under `name`, or what is base64 under `b64` and the name. @throws ClaimError */
export function payloadOf(members: Members, name: string): Payload | undefined {
  const encoded = textOf(members, `b64${name}`);
  if (encoded === '') return members[name] === undefined ? undefined : RawJson.of(members[name]);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0)
    throw new ClaimError(`b64${name} must be standard padded base64`);
  return payloadOfBytes(Buffer.from(encoded, 'base64'));
}

/** A time in unix seconds; undefined when it is not there. @throws ClaimError */
export function numberOf(members: Members, name: string): number | undefined {
  const value = members[name] ?? undefined;
  if (value !== undefined && !Number.isFinite(value)) throw new ClaimError(`${name} must be a number`);
  return value as number | undefined;
}

/** @throws ClaimError */
export function textOf(members: Members, name: string): string {
  const value = members[name] ?? '';
  if (typeof value !== 'string') throw new ClaimError(`${name} must be text`);
  return value;
}

/** Identity providers number their users, too: a number is taken as its digits here. */
function userAt(members: Members, path: string): string {
  let value: unknown = members[path];
  if (value === undefined) {
    value = members;
    for (const name of path.split('.')) value = isMembers(value) ? value[name] : undefined;
  }
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string' && !Number.isSafeInteger(value))
    throw new ClaimError(`${path} must be text or a whole number`);
  return String(value);
}

/**
 * Server-side subscriptions: `subs`, and `channels` beside them or, in tokens, only without them.
 * @throws ClaimError
 */
export function subsOf(members: Members, take: 'either' | 'both'): Claims['subs'] {
  const subs = Object.entries(membersOf(members.subs ?? {}, 'subs')).map(
    ([channel, options]): [string, SubscriptionClaims] => [
      channel,
      subscriptionClaims(membersOf(options ?? {}, `subs.${channel}`)),
    ],
  );
  if (subs.length > 0 && take === 'either') return new Map(subs);
  const channels = members.channels ?? [];
  if (!Array.isArray(channels) || !channels.every((channel) => typeof channel === 'string'))
    throw new ClaimError('channels must be a list of texts');
  return new Map([
    ...channels.map((channel: string): [string, SubscriptionClaims] => [channel, {}]),
    ...subs,
  ]);
}

function membersOf(value: unknown, name: string): Members {
  if (!isMembers(value)) throw new ClaimError(`${name} must be an object`);
  return value;
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
