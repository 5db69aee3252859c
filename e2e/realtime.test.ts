import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { type App, startApp } from './support/app.ts';
import { Person } from './support/person.ts';
import { startWire } from './support/wire.ts';

suite('GrandChat by the official client', () => {
  let app: App;
  let ann: Person;
  let bob: Person;
  let room: number;
  before(async () => {
    app = await startApp({ env: { GRANDCHAT_MESSAGES_PER_MINUTE: '100000' } });
    ann = await Person.signUp(app.origin, 'ann');
    bob = await Person.signUp(app.origin, 'ben');
    room = await ann.createRoom('Wire');
    await bob.join(room);
  });
  after(() => app?.close());

  test('who loses the network while 50 messages are written has them all afterwards, in order, once', async () => {
    const wire = await startWire(app.origin);
    const { client, subscription } = bob.realtime(wire.origin);
    const seen: string[] = [];
    let wake = () => {};
    subscription.on('publication', ({ data }) => {
      if (data.type === 'message_added') seen.push(data.body.content);
      wake();
    });
    client.connect();
    await subscription.ready(10_000);
    await ann.write(room, 'before');
    const lost = new Promise((resolve) => subscription.once('subscribing', resolve));
    wire.cut();
    await lost;
    for (let n = 1; n <= 50; n++) await ann.write(room, `message ${n}`);
    const back = new Promise<{ recovered: boolean }>((resolve) => subscription.once('subscribed', resolve));
    wire.mend();
    assert.equal((await back).recovered, true);
    await ann.write(room, 'after');
    while (seen.at(-1) !== 'after') {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    assert.deepEqual(seen, ['before', ...Array.from({ length: 50 }, (_, n) => `message ${n + 1}`), 'after']);
    client.disconnect();
    wire.close();
  });

  test('GrandChat stops while people are connected', async () => {
    const own = await startApp();
    const { client, subscription } = (await Person.signUp(own.origin, 'stayer')).realtime();
    client.connect();
    await subscription.ready(10_000);
    await own.close();
    assert.equal(own.process.exitCode, 0);
    client.disconnect();
  });

  test('a page of a foreign origin gets no connection, one of GrandChat’s own does', async () => {
    const { WebSocket } = await import('ws');
    const open = async (origin: string) => {
      const socket = new WebSocket(`${app.origin.replace('http', 'ws')}/connection/websocket`, { origin });
      const [event] = await Promise.race([
        once(socket, 'open').then(() => ['open']),
        once(socket, 'unexpected-response').then(([, response]) => [response.statusCode]),
      ]);
      socket.on('error', () => {});
      socket.terminate();
      return event;
    };
    assert.equal(await open('http://evil.example'), 403);
    assert.equal(await open(app.origin), 'open');
  });
});
