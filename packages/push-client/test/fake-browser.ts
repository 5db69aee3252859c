import assert from 'node:assert/strict';
import type { Browser } from '../src/page/browser.ts';
import { pushSupport } from '../src/page/support.ts';

export const KEY = Buffer.from([4, ...Array(64).fill(1)]).toString('base64url');
export const OTHER_KEY = Buffer.from([4, ...Array(64).fill(2)]).toString('base64url');

/** A browser's push side. `calls` tells what was done, in order. */
export function fakeBrowser({
  permission = 'default' as NotificationPermission,
  answer = 'granted' as NotificationPermission,
  subscribedWith = undefined as string | undefined,
  workerFails = false,
  refusesSubscription = false,
  worker: before = undefined as string | undefined,
} = {}) {
  const calls: string[] = [];
  let state = permission;
  let current: PushSubscription | undefined;
  let endpoints = 0;
  const make = (key: Uint8Array) => {
    endpoints += 1;
    const endpoint = `https://push.example/${endpoints}`;
    current = {
      endpoint,
      options: { applicationServerKey: key.buffer, userVisibleOnly: true },
      toJSON: () => ({ endpoint, expirationTime: null, keys: { p256dh: 'p', auth: 'a' } }),
      async unsubscribe() {
        calls.push('unsubscribe');
        current = undefined;
        return true;
      },
    } as unknown as PushSubscription;
    return current;
  };
  if (subscribedWith) make(new Uint8Array(Buffer.from(subscribedWith, 'base64url')));

  const worker = Object.assign(new EventTarget(), { state: 'installing', scriptURL: '' });
  const registration = {
    active:
      before === undefined ? null : ({ state: 'activated', scriptURL: before } as { scriptURL: string }),
    installing: worker as typeof worker | null,
    waiting: null,
    pushManager: {
      getSubscription: async () => current ?? null,
      async subscribe({ applicationServerKey }: { applicationServerKey: Uint8Array }) {
        assert.equal(worker.state, 'activated', 'subscribed before the worker was active');
        calls.push('subscribe');
        if (refusesSubscription) throw new DOMException('push service error', 'AbortError');
        return make(applicationServerKey);
      },
    },
  };
  const browser: Browser = {
    support: () =>
      pushSupport({
        isSecureContext: true,
        userAgent: '',
        maxTouchPoints: 0,
        isStandalone: false,
        hasServiceWorker: true,
        hasPushManager: true,
        permission: state,
      }),
    async requestPermission() {
      calls.push('ask');
      state = answer;
      return state;
    },
    serviceWorker: {
      async register(url: string) {
        calls.push(`register ${url}`);
        worker.scriptURL = url;
        setImmediate(() => {
          worker.state = workerFails ? 'redundant' : 'activated';
          registration.installing = null;
          if (!workerFails) registration.active = worker;
          worker.dispatchEvent(new Event('statechange'));
        });
        return registration;
      },
      getRegistration: async () => registration,
    } as unknown as Browser['serviceWorker'],
  };
  return { browser, calls, registration };
}
