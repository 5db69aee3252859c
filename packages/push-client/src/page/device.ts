import { keyOf } from '../keys.ts';

/** What a backend hands on to Carillon's `device_register`, after adding the user from its own session. */
export interface Device {
  readonly provider: 'webpush' | 'fcm';
  readonly platform: 'web';
  /** `webpush`: the subscription as a JSON string, `{"endpoint", "keys", "applicationServerKey"}`. `fcm`: the token. */
  readonly token: string;
  /** IANA name. */
  readonly timezone: string;
  /** BCP 47 tag. */
  readonly locale: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** What it reads of the browser, in a page as in a service worker. */
export interface DeviceEnvironment {
  readonly userAgent: string;
  readonly language: string;
  readonly timezone: string;
}

const MAX_USER_AGENT = 256;

/**
 * A native Web Push subscription. The key that it was made with (base64url) goes along, so that a server with several VAPID
 * keys knows which one to sign with.
 */
export function deviceFrom(
  subscription: Pick<PushSubscription, 'toJSON'> & Partial<Pick<PushSubscription, 'options'>>,
  environment: DeviceEnvironment = thisBrowser(),
): Device {
  const { endpoint, keys } = subscription.toJSON();
  const applicationServerKey = keyOf(subscription);
  return {
    provider: 'webpush',
    token: JSON.stringify({ endpoint, keys, ...(applicationServerKey && { applicationServerKey }) }),
    ...traitsOf(environment),
  };
}

/** A browser that is reached by Firebase. @param token as `getToken` gave it */
export function firebaseDevice(token: string, environment: DeviceEnvironment = thisBrowser()): Device {
  return { provider: 'fcm', token, ...traitsOf(environment) };
}

function traitsOf({ userAgent, language, timezone }: DeviceEnvironment) {
  return {
    platform: 'web',
    timezone,
    locale: language,
    meta: { user_agent: userAgent.slice(0, MAX_USER_AGENT) },
  } as const;
}

function thisBrowser(): DeviceEnvironment {
  return {
    userAgent: navigator.userAgent,
    language: navigator.language,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
