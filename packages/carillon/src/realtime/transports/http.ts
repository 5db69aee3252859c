import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConnectionRules } from './connection-rules.ts';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers with a status and no body. What is left of the request's body is not waited for. */
export function answer(request: IncomingMessage, response: ServerResponse, status: number): void {
  if (!request.complete) response.setHeader('Connection', 'close');
  if (status !== 204) response.setHeader('Content-Length', 0);
  response.writeHead(status).end();
}

/**
 * Lets pages of allowed origins read answers, and turns away those of others.
 * @returns false when the request has been answered
 */
export function checkOrigin(
  rules: ConnectionRules,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { origin, 'access-control-request-headers': headers } = request.headers;
  if (!origin) return true;
  if (!rules.allowsOrigin(origin)) {
    answer(request, response, 403);
    return false;
  }
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader('Vary', 'Origin');
  if (headers && headers !== 'null') response.setHeader('Access-Control-Allow-Headers', headers);
  return true;
}

/** Answers what a browser asks before it sends a POST to another origin. */
export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Access-Control-Max-Age', '300');
  response.setHeader('Access-Control-Allow-Methods', 'POST, OPTIONS');
  answer(request, response, 204);
}

/** The body of a request; undefined when it is larger than `limit` bytes, and rejects when the client goes away. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection must live on, for the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function isProtobuf(request: IncomingMessage): boolean {
  return request.headers['content-type'] === 'application/octet-stream';
}
