import type { DeviceFilter } from '../devices/device-filter.ts';
import type { ProviderMessage, ProviderName } from '../providers/provider.ts';

/** What workers need to know of a push, the same for all of its jobs. Plain JSON; times in Unix milliseconds, 0 = none. */
export interface StoredPush {
  readonly uid: string;
  readonly analyticsUid: string;
  /** The member of `recipient` that was given, e.g. `filter` or `fcm_topic`. */
  readonly recipientType: string;
  /** Whose devices and credentials; absent for the default app's. */
  readonly app?: string;
  readonly filter: DeviceFilter | null;
  readonly messages: Readonly<Partial<Record<ProviderName, ProviderMessage>>>;
  readonly acceptedAt: number;
  readonly sendAt: number;
  readonly expireAt: number;
  readonly rendering: Rendering | null;
  readonly limits: LimitStrategy | null;
}

/** Which devices a push is for: those of its filter, in its app alone. */
export function audienceOf({ filter, app = '' }: StoredPush): DeviceFilter {
  return { ...filter, apps: [app] };
}

/** Language tag → name → text. */
export type Localizations = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** That a push is rendered for each device, and with what. */
export interface Rendering {
  readonly localizations: Localizations;
  /** Whether `.device.meta` is there. */
  readonly use_meta: boolean;
}

/** Limits of a push (push-api, section 6.2): how often somebody may be rung, and at what time of their day. */
export interface LimitStrategy {
  readonly rate: RateLimit | null;
  readonly time: (TimeWindow & { readonly noTimezoneSendNow: boolean }) | null;
}

export interface RateLimit {
  /** A name with variables; empty: one bucket per device. */
  readonly key: string;
  /** All must allow. */
  readonly policies: readonly RatePolicy[];
  /** Whether what exceeds the limit is dropped; else it is sent when a slot frees. */
  readonly drop: boolean;
}

/** At most `rate` pushes in any `intervalMs`. */
export interface RatePolicy {
  readonly rate: number;
  readonly intervalMs: number;
}

/** A span of a device's day, `HH:MM:SS`; from `after` up to, not including, `before`. It may cross midnight. */
export interface TimeWindow {
  readonly after: string;
  readonly before: string;
}
