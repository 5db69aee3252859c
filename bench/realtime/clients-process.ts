/** The clients of one server, and its publisher, in a process of their own. */
import { Agent, request } from 'node:http';
import { API_KEY, CHANNEL, SPEECH } from './dialect.ts';
import type { ClientsRequest, FanoutAnswer, LatencyAnswer, OpenedAnswer, Server } from './messages.ts';
import { openRawWebSocket, type RawWebSocket } from './raw-websocket.ts';

/** Clients that connect at once. */
const OPENING = 100;
/** Publications that are not with all clients yet, at once: nobody's queue grows until it is cut off. */
const PUBLISHING = 4;
const PAYLOAD = 'x'.repeat(128);

const clients: RawWebSocket[] = [];
const agent = new Agent({ keepAlive: true, maxSockets: PUBLISHING });
let server: Server;
let delivered = 0;
let wanted = Number.POSITIVE_INFINITY;
let onWanted = () => {};
let onSome = () => {};

process.on('message', async (message: ClientsRequest) => {
  switch (message.kind) {
    case 'open':
      server = message.server;
      return process.send?.(await open(message.count));
    case 'fanout':
      return process.send?.(await fanOut(message.publications));
    case 'latency':
      return process.send?.(await latency(message.publications, message.pauseMs));
    case 'close':
      for (const client of clients.splice(0)) client.destroy();
      process.send?.({ type: 'closed' });
  }
});

async function open(count: number): Promise<OpenedAnswer> {
  const began = performance.now();
  for (let opened = 0; opened < count; opened += OPENING)
    await Promise.all(Array.from({ length: Math.min(OPENING, count - opened) }, openClient));
  return { type: 'opened', seconds: (performance.now() - began) / 1_000 };
}

async function openClient(): Promise<void> {
  const { path, hello, answer, isReady, pong, publications } = SPEECH[server.dialect];
  let words = answer;
  let onReady = () => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  let isSubscribed = false;
  const onText = (text: string, client: RawWebSocket) => {
    const toPing = pong(text);
    if (toPing !== undefined) client.send(toPing);
    if (isSubscribed) return count(publications(text));
    if (words !== undefined) {
      client.send(words);
      words = undefined;
      return;
    }
    if (!isReady(text)) return;
    isSubscribed = true;
    onReady();
  };
  const client = await openRawWebSocket(server.port, path, onText);
  if (hello !== undefined) client.send(hello);
  clients.push(client);
  await ready;
}

function count(publications: number): void {
  delivered += publications;
  onSome();
  if (delivered >= wanted) onWanted();
}

/** Resolves at the next delivery. */
function someDeliveries(): Promise<void> {
  return new Promise((resolve) => {
    onSome = resolve;
  });
}

/** Resolves once so many more have been delivered. */
function deliveries(more: number): Promise<void> {
  wanted = delivered + more;
  return new Promise((resolve) => {
    onWanted = resolve;
  });
}

async function fanOut(publications: number): Promise<FanoutAnswer> {
  const total = publications * clients.length;
  const before = delivered;
  const began = performance.now();
  const all = deliveries(total);
  for (let n = 0; n < publications; n++) {
    while (n - (delivered - before) / clients.length >= PUBLISHING) await someDeliveries();
    void publish();
  }
  await all;
  return { type: 'fanned out', seconds: (performance.now() - began) / 1_000, deliveries: total };
}

/** From the call to the arrival at one client, the last of all. */
async function latency(publications: number, pauseMs: number): Promise<LatencyAnswer> {
  const ms: number[] = [];
  for (let n = 0; n < publications; n++) {
    const arrived = deliveries(clients.length);
    const began = performance.now();
    await Promise.all([publish(), arrived]);
    ms.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return { type: 'latencies', ms };
}

function publish(): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ channel: CHANNEL, data: { text: PAYLOAD } });
    const outgoing = request(
      {
        port: server.port,
        host: '127.0.0.1',
        path: '/api/publish',
        method: 'POST',
        agent,
        headers: {
          'X-API-Key': API_KEY,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === 200
            ? resolve()
            : reject(new Error(`publish: status ${response.statusCode}`)),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
