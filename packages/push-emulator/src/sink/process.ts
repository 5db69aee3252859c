/** A sink in a process of its own, for benchmarks: `fork` this file and talk to it as `messages.ts` says. It ends with its parent. */
import type { SinkReply, SinkRequest } from './messages.ts';
import { type Sink, startSink } from './sink.ts';

let sink: Sink | undefined;

function reply(message: SinkReply): void {
  process.send?.(message);
}

async function handle(request: SinkRequest): Promise<void> {
  if (request.type === 'listen') {
    sink = await startSink(request);
    reply({ type: 'listening', url: sink.url, port: sink.port, ca: sink.ca });
  } else if (!sink) {
    throw new Error(`"${request.type}" came before "listen"`);
  } else if (request.type === 'counts') {
    reply({ type: 'counts', ...sink.counts() });
  } else {
    sink.clear();
    void sink.untilDistinct(request.count).then(() => reply({ type: 'complete' }));
    reply({ type: 'expecting' });
  }
}

process.on('message', (request: SinkRequest) => {
  handle(request).catch((error: Error) => reply({ type: 'failed', message: error.message }));
});
process.on('disconnect', () => process.exit());
