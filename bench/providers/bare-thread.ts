/** Sends FCM's requests on one connection, a hundred under way, and looks at nothing but the status of their answers. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { parentPort, workerData } from 'node:worker_threads';
import type { BareReply, BareRequest } from './bare-messages.ts';
import { BODY, TITLE } from './carillon-sender.ts';
import type { SinkAddress } from './messages.ts';

const STREAMS = 100;
const port = parentPort!;
const sink = workerData as SinkAddress;
const session = connect(sink.url, { ca: sink.ca, settings: { enablePush: false } });
const ready = once(session, 'remoteSettings');
const { host } = new URL(sink.url);
const rest = `,"notification":${JSON.stringify({ title: TITLE, body: BODY })}}}`;

function post(token: string, onEnd: (isAccepted: boolean) => void): void {
  const body = Buffer.from(`{"message":{"token":"${token}"${rest}`);
  const stream = session.request([
    ':method',
    'POST',
    ':scheme',
    'https',
    ':authority',
    host,
    ':path',
    '/v1/projects/bench/messages:send',
    'authorization',
    `Bearer ${'x'.repeat(200)}`,
    'content-type',
    'application/json; charset=UTF-8',
    'content-length',
    String(body.length),
  ]);
  let status: number | undefined;
  stream.on('response', (headers) => {
    status = headers[':status'];
  });
  stream.resume();
  stream.on('close', () => onEnd(status === 200));
  stream.end(body);
}

port.on('message', async ({ tokens }: BareRequest) => {
  await ready;
  const times = new Float64Array(tokens.length);
  let next = 0;
  let ended = 0;
  let accepted = 0;
  const sendNext = (): void => {
    const token = tokens[next++];
    if (token === undefined) return;
    const startedAt = performance.now();
    post(token, (isAccepted) => {
      times[ended++] = performance.now() - startedAt;
      if (isAccepted) accepted += 1;
      if (ended === tokens.length) port.postMessage({ accepted, times } satisfies BareReply);
      else sendNext();
    });
  };
  for (let stream = 0; stream < STREAMS; stream++) sendNext();
});
