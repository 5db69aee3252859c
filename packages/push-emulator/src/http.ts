import type { IncomingMessage } from 'node:http';

/** Reads on this far past the limit, so that the sender gets its answer rather than a reset. */
const DRAIN_BYTES = 1024 * 1024;

/**
 * The body of a request, or undefined when it is longer than `limit` bytes.
 * @throws when the sender breaks off or sends without end
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    else if (length > limit + DRAIN_BYTES) throw new Error('request body without end');
  }
  return length > limit ? undefined : Buffer.concat(chunks);
}
