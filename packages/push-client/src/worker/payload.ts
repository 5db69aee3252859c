/** A notification in the members of Declarative Web Push that are used here, each checked. */
export interface NotificationContent {
  readonly title: string;
  readonly body?: string;
  /** Where a click leads. */
  readonly navigate?: string;
  /** Notifications of one tag are one on the screen. */
  readonly tag?: string;
  readonly icon?: string;
  readonly silent?: boolean;
  readonly lang?: string;
  readonly dir?: NotificationDirection;
  /** The application's own. */
  readonly data: Readonly<Record<string, unknown>>;
  /** For the app's icon. */
  readonly appBadge?: number;
}

/**
 * Reads `{"web_push": 8030, "notification": {"title", "body", "navigate", "tag", …}}`, the JSON that Safari shows without a
 * worker (Push API, declarative push messages). `app_badge` counts inside `notification` and beside it.
 * @returns undefined when there is no notification with a title in it; members of a wrong type are left out
 */
export function readPayload(text: string): NotificationContent | undefined {
  const payload = objectOf(parse(text));
  const notification = objectOf(payload?.notification);
  return payload && notification && contentOf({ app_badge: payload.app_badge, ...notification });
}

/** Of what somebody sent, the members of a notification that are right. @returns undefined without a title */
export function contentOf(notification: Readonly<Record<string, unknown>>): NotificationContent | undefined {
  const { title, body, navigate, tag, icon, silent, lang, dir, data, app_badge: appBadge } = notification;
  if (typeof title !== 'string' || title === '') return undefined;
  return {
    title,
    data: objectOf(data) ?? {},
    ...(typeof body === 'string' && { body }),
    ...(typeof navigate === 'string' && { navigate }),
    ...(typeof tag === 'string' && { tag }),
    ...(typeof icon === 'string' && { icon }),
    ...(typeof silent === 'boolean' && { silent }),
    ...(typeof lang === 'string' && { lang }),
    ...((dir === 'auto' || dir === 'ltr' || dir === 'rtl') && { dir }),
    ...(Number.isSafeInteger(appBadge) && (appBadge as number) >= 0 && { appBadge: appBadge as number }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
