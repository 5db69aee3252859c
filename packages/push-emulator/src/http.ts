import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './service.ts';

/** Over HTTP/1.1 or HTTP/2. */
export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/** Reads on this far past the limit, so that the sender gets its answer rather than a reset. */
const DRAIN_BYTES = 1024 * 1024;

/**
 * The body of a request, or undefined when it is longer than `limit` bytes.
 * @throws when the sender breaks off or sends without end
 */
export async function readBody(request: Request, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    else if (length > limit + DRAIN_BYTES) throw new Error('request body without end');
  }
  return length > limit ? undefined : Buffer.concat(chunks);
}

/** Scheme and authority as the client named them; over HTTP/1.1, which does not name the scheme, as its connection is. */
export function originOf(request: Request): string {
  const { socket } = request;
  const isEncrypted = 'encrypted' in socket && socket.encrypted;
  const scheme = request.headers[':scheme'] ?? (isEncrypted ? 'https' : 'http');
  const authority = request.headers[':authority'] ?? request.headers.host ?? '';
  return URL.parse(`${scheme}://${authority}`)?.origin ?? `${scheme}://${authority}`;
}

/** Whether the client has gone meanwhile, or its stream was ended. */
export function isOver(response: Response): boolean {
  return response.destroyed || ('stream' in response && (response.stream?.destroyed ?? true));
}

/**
 * Writes an answer and ends the response.
 * @param dripMs between one byte of the body and the next
 */
export async function writeAnswer(
  response: Response,
  { status, headers = {}, body }: Answer,
  { dripMs, closing }: { dripMs?: number; closing?: AbortSignal } = {},
): Promise<void> {
  if (isOver(response)) return;
  response.statusCode = status;
  const isJson = typeof body === 'object' && !Buffer.isBuffer(body);
  if (isJson) response.setHeader('Content-Type', 'application/json');
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const bytes = isJson ? Buffer.from(JSON.stringify(body)) : Buffer.from(body ?? '');
  if (dripMs !== undefined) {
    for (const byte of bytes) {
      await sleep(dripMs, undefined, { signal: closing }).catch(() => {});
      if (isOver(response) || closing?.aborted) return;
      (response as ServerResponse).write(Buffer.of(byte));
    }
    await sleep(dripMs, undefined, { signal: closing }).catch(() => {});
  } else if (status !== 204 && status !== 304) {
    response.setHeader('Content-Length', bytes.length);
  }
  if (isOver(response)) return;
  if (dripMs === undefined && bytes.length > 0) response.end(bytes);
  else response.end();
}
