import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { ApiError, NetworkError } from '../src/api/api.ts';
import type { Message } from '../src/api/types.ts';
import { Outgoing } from '../src/app/outgoing.ts';
import { Store } from '../src/store/store.ts';
import { ann, message, room, stateWith } from './support/shapes.ts';

suite('F12: sending', () => {
  let store: Store;
  let sent: { content: string; clientId: string }[];
  let answers: (Error | 'take')[];
  let outgoing: Outgoing;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    store = new Store();
    store.update(() => stateWith(room(1), room(2)));
    sent = [];
    answers = [];
    let id = 0;
    outgoing = new Outgoing(store, {
      async send(roomId: number, content: string, clientId: string): Promise<Message> {
        sent.push({ content, clientId });
        const answer = answers.shift() ?? 'take';
        if (answer instanceof Error) throw answer;
        id += 1;
        return message(id, {
          content,
          client_id: clientId,
          user: ann,
          room: { id: roomId, version: id + 1, bumped_at: '' },
        });
      },
    });
  });

  afterEach(() => mock.timers.reset());

  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const states = () => store.state.pending.map(({ content, state }) => `${content}: ${state}`);

  test('a message shows at once and is pending until the server has it', async () => {
    outgoing.send(1, 'hello');
    assert.deepEqual(states(), ['hello: sending']);
    await settled();
    assert.deepEqual(states(), []);
    assert.equal(store.state.rooms[1]?.last_message?.content, 'hello');
  });

  test('messages of a room go out one by one, in the order of writing', async () => {
    for (const text of ['a', 'b', 'c']) outgoing.send(1, text);
    assert.equal(sent.length, 1);
    await settled();
    assert.deepEqual(
      sent.map(({ content }) => content),
      ['a', 'b', 'c'],
    );
  });

  test('without a network all wait, and go out in order when it is back, under the same client ids', async () => {
    answers = [new NetworkError('away')];
    for (const text of ['a', 'b']) outgoing.send(1, text);
    await settled();
    assert.deepEqual(states(), ['a: waiting', 'b: waiting']);
    outgoing.resume();
    await settled();
    assert.deepEqual(states(), []);
    assert.deepEqual(
      sent.map(({ content }) => content),
      ['a', 'a', 'b'],
    );
    assert.equal(sent[0]?.clientId, sent[1]?.clientId);
  });

  test('one that is written while others wait does not overtake them', async () => {
    answers = [new NetworkError('away'), new NetworkError('away')];
    outgoing.send(1, 'a');
    await settled();
    outgoing.send(1, 'b');
    await settled();
    outgoing.resume();
    await settled();
    assert.deepEqual(sent.map(({ content }) => content).slice(-2), ['a', 'b']);
  });

  test('a server in trouble is tried again by itself, though the socket never broke', async () => {
    answers = [new ApiError(503, { detail: 'busy' }), new ApiError(503, { detail: 'busy' })];
    outgoing.send(1, 'a');
    await settled();
    assert.deepEqual(states(), ['a: waiting']);
    mock.timers.tick(1_000);
    await settled();
    assert.deepEqual(states(), ['a: waiting']);
    mock.timers.tick(1_999);
    await settled();
    assert.equal(sent.length, 2, 'the second time it waits for longer');
    mock.timers.tick(1);
    await settled();
    assert.deepEqual(states(), []);
  });

  test('what the server refuses has failed, with its words; the next ones go on; the author decides', async () => {
    answers = [new ApiError(400, { detail: 'content: too long' })];
    outgoing.send(1, 'a');
    outgoing.send(1, 'b');
    await settled();
    const [failed] = store.state.pending;
    assert.equal(failed?.reason, 'content: too long');
    assert.deepEqual(states(), ['a: failed']);
    outgoing.retry(failed?.clientId ?? '');
    await settled();
    assert.deepEqual(states(), []);
    answers = [new ApiError(404, { detail: 'not a member' })];
    outgoing.send(2, 'c');
    await settled();
    outgoing.discard(store.state.pending[0]?.clientId ?? '');
    assert.deepEqual(states(), []);
  });
});
