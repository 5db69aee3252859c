/**
 * What a stranger writes with `push-emulator`: a stand-in, and a browser that subscribes to it. Run by packed.test.ts where
 * the packages are installed. Writes one line of JSON with the subscription's endpoint, and one with the push that came.
 */
import { once } from 'node:events';
import { type PushRecord, startPushEmulator } from 'push-emulator';

const emulator = await startPushEmulator();
const socket = new WebSocket(emulator.wsUrl, 'push-notification');
await once(socket, 'open');
await ask({ messageType: 'hello', use_webpush: true });
const { pushEndpoint } = await ask({ messageType: 'register', channelID: crypto.randomUUID() });
const incoming = next();
console.log(JSON.stringify({ origin: emulator.url, endpoint: pushEndpoint }));

const { channelID, version } = await incoming;
socket.send(JSON.stringify({ messageType: 'ack', updates: [{ channelID, version, code: 100 }] }));
const push: PushRecord = await emulator.waitFor(({ state }) => state === 'acknowledged');
console.log(JSON.stringify({ status: push.status, body: push.body.toString('base64') }));
socket.close();
await emulator.close();

function ask(message: object): Promise<Record<string, unknown>> {
  socket.send(JSON.stringify(message));
  return next();
}

async function next(): Promise<Record<string, unknown>> {
  const [event] = await once(socket, 'message');
  return JSON.parse((event as { data: string }).data);
}
