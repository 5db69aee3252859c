/** A sender thread that behaves as `message.fault` says: it crashes half-way, hangs, or blocks for ever. */
import { parentPort } from 'node:worker_threads';
import type { SenderReport, SenderRequest } from '../../../src/push/worker/sender-messages.ts';

const port = parentPort!;
const report = (part: Partial<SenderReport>) => port.postMessage({ outcomes: [], finished: [], ...part });

port.on('message', (request: SenderRequest) => {
  if (request.type === 'close') {
    port.close();
    return;
  }
  const { id, batch } = request;
  report({ outcomes: [[id, { index: 0, kind: 'accepted', code: 'accepted' }]] });
  switch (batch.message.fault) {
    case 'crash':
      setImmediate(() => {
        throw new Error('a fault of the test');
      });
      break;
    case 'hang':
      break;
    case 'block':
      for (;;);
    default:
      report({ finished: [id] });
  }
});
