/**
 * Whether pushes can reach the person here.
 *
 * `unsupported`: not in this browser or window. `needs-install`: iPhone or iPad, where only web apps on the Home Screen get pushes.
 * `default`: the person has not been asked. `denied`, `granted`: what they said.
 */
export type PushState = 'unsupported' | 'needs-install' | 'default' | 'denied' | 'granted';

export type PushSupportCode =
  | 'insecure'
  | 'private-window'
  | 'no-push'
  | 'old-ios'
  | 'ios-browser-tab'
  | 'not-asked'
  | 'blocked'
  | 'allowed';

export interface PushSupport {
  readonly state: PushState;
  /** For an app that has words of its own. */
  readonly code: PushSupportCode;
  /** What it means and what can be done, in a sentence or two for the person. */
  readonly reason: string;
}

/** The parts of a window that it looks at. */
export interface Environment {
  readonly isSecureContext: boolean;
  readonly userAgent: string;
  /** Tells an iPad, which calls itself a Macintosh, from a Mac. */
  readonly maxTouchPoints: number;
  /** Started from the Home Screen. */
  readonly isStandalone: boolean;
  readonly hasServiceWorker: boolean;
  readonly hasPushManager: boolean;
  /** Absent where there are no notifications. */
  readonly permission?: NotificationPermission;
}

const REASONS: Record<PushSupportCode, string> = {
  insecure: 'Notifications need a secure connection: open this page by its https address.',
  'private-window': 'Private windows cannot receive notifications. Open this page in a normal window.',
  'no-push': 'This browser cannot receive notifications. A current Chrome, Edge, Firefox or Safari can.',
  'old-ios': 'Notifications need iOS or iPadOS 16.4 or later.',
  'ios-browser-tab':
    'On iPhone and iPad, notifications reach apps on the Home Screen: tap Share, then Add to Home Screen, and open it from there.',
  'not-asked': 'Notifications are off. Your browser will ask you before it turns them on.',
  blocked:
    'Notifications are blocked for this site. Allow them in the site settings, beside the address, and reload the page. In a private window they may be blocked for good.',
  allowed: 'Notifications are allowed.',
};

const STATES: Record<PushSupportCode, PushState> = {
  insecure: 'unsupported',
  'private-window': 'unsupported',
  'no-push': 'unsupported',
  'old-ios': 'unsupported',
  'ios-browser-tab': 'needs-install',
  'not-asked': 'default',
  blocked: 'denied',
  allowed: 'granted',
};

/** Asks nobody and changes nothing: safe on page load. */
export function pushSupport(environment: Environment = thisWindow()): PushSupport {
  const code = judge(environment);
  return { state: STATES[code], code, reason: REASONS[code] };
}

function judge(environment: Environment): PushSupportCode {
  const { isSecureContext, isStandalone, hasServiceWorker, hasPushManager, permission } = environment;
  if (!isSecureContext) return 'insecure';
  if (!hasServiceWorker || !hasPushManager || permission === undefined) {
    if (isIos(environment)) return isStandalone ? 'old-ios' : 'ios-browser-tab';
    // Firefox takes service workers away from private windows; every browser of today has them elsewhere.
    return !hasServiceWorker ? 'private-window' : 'no-push';
  }
  if (permission === 'granted') return 'allowed';
  return permission === 'denied' ? 'blocked' : 'not-asked';
}

function isIos({ userAgent, maxTouchPoints }: Environment): boolean {
  return /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

function thisWindow(): Environment {
  return {
    isSecureContext: window.isSecureContext,
    userAgent: navigator.userAgent,
    maxTouchPoints: navigator.maxTouchPoints,
    isStandalone: window.matchMedia('(display-mode: standalone)').matches,
    hasServiceWorker: 'serviceWorker' in navigator,
    hasPushManager: 'PushManager' in window,
    permission: 'Notification' in window ? Notification.permission : undefined,
  };
}
