import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { pushSupport } from '../src/index.ts';

const desktop = {
  isSecureContext: true,
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0',
  maxTouchPoints: 0,
  isStandalone: false,
  hasServiceWorker: true,
  hasPushManager: true,
  permission: 'default' as NotificationPermission | undefined,
};
const iphone = {
  ...desktop,
  userAgent:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 Version/18.4 Mobile Safari/604.1',
  maxTouchPoints: 5,
  hasPushManager: false,
  permission: undefined,
};
const ipad = {
  ...iphone,
  userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.4 Safari/605.1.15',
};

suite('whether pushes can reach the person', () => {
  for (const [what, environment, state, code] of [
    ['nobody was asked yet', desktop, 'default', 'not-asked'],
    ['the person said yes', { ...desktop, permission: 'granted' }, 'granted', 'allowed'],
    ['the person said no', { ...desktop, permission: 'denied' }, 'denied', 'blocked'],
    ['plain http', { ...desktop, isSecureContext: false }, 'unsupported', 'insecure'],
    ['a private window of Firefox', { ...desktop, hasServiceWorker: false }, 'unsupported', 'private-window'],
    ['a browser without push', { ...desktop, hasPushManager: false }, 'unsupported', 'no-push'],
    ['a tab on an iPhone', iphone, 'needs-install', 'ios-browser-tab'],
    ['a tab on an iPad, which says it is a Mac', ipad, 'needs-install', 'ios-browser-tab'],
    ['the Home Screen of an old iPhone', { ...iphone, isStandalone: true }, 'unsupported', 'old-ios'],
    [
      'the Home Screen of an iPhone',
      { ...iphone, isStandalone: true, hasPushManager: true, permission: 'default' },
      'default',
      'not-asked',
    ],
  ] as const) {
    test(`${what}: ${state}, with a reason in words`, () => {
      const support = pushSupport(environment);
      assert.deepEqual([support.state, support.code], [state, code]);
      assert.match(support.reason, /^[A-Z].*\.$/);
    });
  }
});
