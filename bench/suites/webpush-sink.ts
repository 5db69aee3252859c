/** A push service that answers 201 to all, over HTTP/2 with TLS, in a thread of its own. Posts its port. */
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

const { key, cert } = workerData as { key: string; cert: string };
const server = createSecureServer({ key, cert, settings: { maxConcurrentStreams: 100 } });
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('error', () => {});
  stream.resume();
  stream.respond({ ':status': 201, location: '/m/1' }, { endStream: true });
});
server.listen(0, '127.0.0.1', () => parentPort!.postMessage((server.address() as AddressInfo).port));
