/** A sender thread that behaves as `message.fault` says: it crashes half-way, hangs, or blocks for ever. */
import { parentPort } from 'node:worker_threads';
import {
  noAcceptances,
  type SenderReport,
  type SenderRequest,
} from '../../../src/push/worker/sender-messages.ts';

const port = parentPort!;
const report = (part: Partial<SenderReport>) =>
  port.postMessage({ accepted: noAcceptances(), others: [], finished: [], ...part });

port.on('message', (request: SenderRequest) => {
  if (request.type === 'close') {
    port.close();
    return;
  }
  const { id, message } = request;
  report({ others: [[id, { index: 0, kind: 'accepted', code: 'accepted' }]] });
  switch (message.fault) {
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
