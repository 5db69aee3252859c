import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { Notifications } from '../src/push/notifications.ts';
import { FakeBrowser } from './support/fake-browser.ts';

const ON = { push_notifications: { enabled: true, vapid_public_key: 'BAEC', firebase_config: null } };
const OFF = { push_notifications: { enabled: false, vapid_public_key: '', firebase_config: null } };
const ANN = 1;
const BOB = 2;

suite('the bell', () => {
  let browser: FakeBrowser;
  let uninstall: () => void;
  let registered: { token?: string; device_id?: string }[];
  let notifications: Notifications;
  const api = {
    registerDevice: async (device: object) => {
      registered.push(device);
      return { device_id: 'device-1' };
    },
  };

  beforeEach(() => {
    browser = new FakeBrowser();
    uninstall = browser.install();
    registered = [];
    notifications = new Notifications(api);
  });
  afterEach(() => uninstall());

  const endpoint = (n: number) => JSON.parse(registered[n]?.token ?? '{}').endpoint;

  test('P15: nobody is asked, and nothing registered, before the bell is pressed', async () => {
    await notifications.start(ANN, ON);
    assert.deepEqual([browser.questions, registered.length, notifications.state.isOn], [0, 0, false]);
  });

  test('pressing it asks, subscribes, registers, and keeps the id of the device', async () => {
    await notifications.start(ANN, ON);
    await notifications.turnOn();
    assert.equal(browser.questions, 1);
    assert.equal(endpoint(0), 'https://push.example/1');
    assert.equal(notifications.deviceId, 'device-1');
    assert.deepEqual([notifications.state.isOn, notifications.state.problem], [true, '']);
  });

  test('P3: at the next start the device registers again under its id, without a question', async () => {
    await notifications.start(ANN, ON);
    await notifications.turnOn();
    await notifications.start(ANN, ON);
    assert.equal(browser.questions, 1);
    assert.equal(registered[1]?.device_id, 'device-1');
    assert.equal(endpoint(1), 'https://push.example/1');
    assert.equal(notifications.state.isOn, true);
  });

  test('no and no answer leave it off, and say what can be done', async () => {
    await notifications.start(ANN, ON);
    for (const answer of ['default', 'denied'] as const) {
      browser.answer = answer;
      await notifications.turnOn();
      assert.equal(notifications.state.isOn, false);
      assert.notEqual(notifications.state.problem, '');
    }
    assert.equal(notifications.state.support.state, 'denied');
    assert.deepEqual(registered, []);
  });

  test('a permission that is given back in the browser’s settings is seen without a reload', async () => {
    await notifications.start(ANN, ON);
    browser.answer = 'denied';
    await notifications.turnOn();
    browser.permission = 'default';
    notifications.refresh();
    assert.deepEqual([notifications.state.support.state, notifications.state.problem], ['default', '']);
  });

  test('P14: a server that has them switched off says so, and asks nobody', async () => {
    await notifications.start(ANN, OFF);
    await notifications.turnOn();
    assert.equal(browser.questions, 0);
    assert.match(notifications.state.problem, /switched off/);
  });

  test('P17: who signs in next on this browser is not rung until they want it; who wanted it is again', async () => {
    await notifications.start(ANN, ON);
    await notifications.turnOn();
    await notifications.stop();
    assert.deepEqual([browser.subscription, notifications.deviceId], [null, null]);
    await notifications.start(BOB, ON);
    assert.deepEqual([registered.length, notifications.state.isOn], [1, false]);
    await notifications.start(ANN, ON);
    assert.equal(endpoint(1), 'https://push.example/2');
    assert.equal(registered[1]?.device_id, undefined, 'a device that the server has removed is not named');
  });

  test('P17: a login right behind a logout keeps its subscription', async () => {
    await notifications.start(ANN, ON);
    await notifications.turnOn();
    const stopped = notifications.stop();
    await notifications.start(ANN, ON);
    await stopped;
    assert.notEqual(browser.subscription, null);
    assert.equal(endpoint(1), 'https://push.example/2');
  });

  test('turned off, it stays off at the next start', async () => {
    await notifications.start(ANN, ON);
    await notifications.turnOn();
    await notifications.turnOff();
    assert.equal(browser.subscription, null);
    await notifications.start(ANN, ON);
    assert.deepEqual([registered.length, notifications.state.isOn], [1, false]);
  });

  test('tabs that start together make one subscription and one device', async () => {
    browser.permission = 'granted';
    localStorage.setItem(`notifications:${ANN}`, 'on');
    const tabs = [notifications, new Notifications(api), new Notifications(api)];
    await Promise.all(tabs.map((tab) => tab.start(ANN, ON)));
    assert.equal(browser.subscriptions, 1);
    assert.deepEqual(
      registered.map(({ device_id }) => device_id),
      [undefined, 'device-1', 'device-1'],
    );
  });

  test('a tab that hangs does not hold up another one’s logout', async () => {
    const late = new AbortController();
    mock.method(AbortSignal, 'timeout', () => late.signal);
    const hanging = new AbortController().signal;
    void browser.locks.request('notifications', { signal: hanging }, () => new Promise(() => {}));
    const stopped = notifications.stop();
    await new Promise((resolve) => setImmediate(resolve));
    late.abort();
    await stopped;
    mock.restoreAll();
  });
});
