/** What a backend hands on to Carillon's `device_register`, after adding the user from its own session. */
export interface Device {
  readonly provider: 'webpush';
  readonly platform: 'web';
  /** The subscription's endpoint and keys as a JSON string. */
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

export function deviceFrom(
  subscription: Pick<PushSubscription, 'toJSON'>,
  environment: DeviceEnvironment = thisBrowser(),
): Device {
  const { endpoint, keys } = subscription.toJSON();
  return {
    provider: 'webpush',
    platform: 'web',
    token: JSON.stringify({ endpoint, keys }),
    timezone: environment.timezone,
    locale: environment.language,
    meta: { user_agent: environment.userAgent.slice(0, MAX_USER_AGENT) },
  };
}

function thisBrowser(): DeviceEnvironment {
  return {
    userAgent: navigator.userAgent,
    language: navigator.language,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
