/**
 * A push service in a process of its own: takes every push at once, over HTTP/2 or HTTP/1.1 with TLS, and knows when
 * each device got its first one and how many came after it. It looks at a path and nothing else, to cost little.
 */
import type { AddressInfo } from 'node:net';
import { createFront } from '../../packages/push-emulator/src/sink/front.ts';
import { percentile } from '../support/statistics.ts';
import { ENDPOINT_PATH, monotonicMs, SET_DIGITS, type SinkReply, type SinkRequest } from './sink-messages.ts';

/** As the real services allow. */
const MAX_STREAMS = 100;
const SET_AT = ENDPOINT_PATH.length;
const INDEX_AT = SET_AT + SET_DIGITS;
const INDEX_END = INDEX_AT + SET_DIGITS;

const ACCEPTED = { status: 201, headers: { location: '/m/1' } };
const SERVICE = {
  needsBody: false,
  answer(path: string) {
    note(path);
    return ACCEPTED;
  },
};

const clockOffset = monotonicMs() - performance.now();
let expectedSet = -1;
let arrivedAt = new Float64Array();
let arrived = 0;
let doubled = 0;

function note(path: string): void {
  if (Number(path.slice(SET_AT, INDEX_AT)) !== expectedSet) return;
  const index = Number(path.slice(INDEX_AT, INDEX_END));
  if (arrivedAt[index] !== 0) {
    doubled += 1;
    return;
  }
  arrivedAt[index] = performance.now() + clockOffset;
  arrived += 1;
  if (arrived === arrivedAt.length) reply({ type: 'complete' });
}

function listen(identity: { key: string; cert: string }): void {
  const server = createFront({ identity, maxStreams: MAX_STREAMS, find: () => SERVICE });
  server.listen(0, '127.0.0.1', () =>
    reply({ type: 'listening', port: (server.address() as AddressInfo).port }),
  );
}

function reply(message: SinkReply): void {
  process.send?.(message);
}

process.on('message', (request: SinkRequest) => {
  switch (request.type) {
    case 'listen':
      listen(request);
      break;
    case 'expect':
      expectedSet = request.set;
      arrivedAt = new Float64Array(request.count);
      arrived = 0;
      doubled = 0;
      reply({ type: 'expecting' });
      break;
    case 'arrived':
      reply({ type: 'arrived', count: arrived });
      break;
    case 'collect': {
      const delays = arrivedAt.filter((at) => at > 0).map((at) => at - request.since);
      const at = (share: number) => percentile(delays, share) ?? Number.NaN;
      reply({
        type: 'figures',
        doubled,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        lastMs: at(1),
      });
    }
  }
});
process.on('disconnect', () => process.exit());
