import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { ApiError, NetworkError } from '../src/api/api.ts';
import { Realtime } from '../src/realtime/realtime.ts';
import type { ConnectionState } from '../src/store/state.ts';

const SIGNED_OUT = new ApiError(401, { detail: 'sign in first', code: 'signed_out' });

suite('the WebSocket', () => {
  const urls: string[] = [];
  let answers: Error[];
  let asked: number;
  let states: ConnectionState[];
  let realtime: Realtime;

  /** Notes where it would connect to, and never does. */
  class NoWebSocket {
    constructor(url: string) {
      urls.push(url);
    }
    close() {}
  }

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    urls.length = 0;
    asked = 0;
    states = [];
    answers = [];
  });
  afterEach(() => {
    realtime.close();
    mock.timers.reset();
    for (const name of ['location', 'addEventListener', 'removeEventListener', 'WebSocket'])
      Reflect.deleteProperty(globalThis, name);
  });

  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const open = async (href = 'https://chat.example/rooms/1') => {
    const nothing = () => {};
    for (const [name, value] of Object.entries({
      location: new URL(href),
      addEventListener: nothing,
      removeEventListener: nothing,
      WebSocket: NoWebSocket,
    }))
      Object.defineProperty(globalThis, name, { value, configurable: true });
    const token = async () => {
      asked += 1;
      const answer = answers.shift();
      if (answer) throw answer;
      return 'a token';
    };
    realtime = new Realtime(
      7,
      { connectionToken: token, subscriptionToken: token },
      { onState: (state) => states.push(state), onEvent: () => {}, onSubscribed: () => {} },
    );
    await settled();
  };
  const pass = async (ms: number) => {
    mock.timers.tick(ms);
    await settled();
  };

  test('F10: it goes to the origin of the page, encrypted where that is', async () => {
    await open();
    assert.deepEqual(urls, ['wss://chat.example/connection/websocket']);
    realtime.close();
    await open('http://localhost:9000/');
    assert.equal(urls.at(-1), 'ws://localhost:9000/connection/websocket');
  });

  test('F15: who is signed out asks for no token again, once the session is over', async () => {
    answers = [SIGNED_OUT, SIGNED_OUT, SIGNED_OUT];
    await open();
    assert.equal(states.at(-1), 'disconnected');
    realtime.close();
    for (let n = 0; n < 10; n++) await pass(30_000);
    assert.equal(asked, 1);
    assert.deepEqual(urls, []);
  });

  test('a token that cannot be had for want of a network is asked for again', async () => {
    answers = [new NetworkError('away')];
    await open();
    await pass(10_000);
    assert.equal(asked, 2);
    assert.equal(urls.length, 1);
  });

  test('F7: an end for good is tried again by itself', async () => {
    answers = [new ApiError(403, { detail: 'not now' })];
    await open();
    assert.equal(states.at(-1), 'disconnected');
    await pass(5_000);
    assert.equal(asked, 2);
    assert.equal(urls.length, 1);
  });
});
