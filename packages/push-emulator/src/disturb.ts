import { constants, type Http2ServerRequest, type ServerHttp2Session } from 'node:http2';
import type { Fault } from './faults.ts';
import type { Request, Response } from './http.ts';

/** Sessions that a GOAWAY has ended → the last stream that still counts. */
const ended = new WeakMap<ServerHttp2Session, number>();

/**
 * Whether a GOAWAY told the client that this request was not processed, or its connection is gone. What a GOAWAY cannot say of a
 * session that was ended at its very first stream (see `goAway`), the end of the stream says here.
 */
export function dropIfLost(request: Request): boolean {
  const stream = streamOf(request);
  if (!stream?.session) return stream !== undefined;
  const last = ended.get(stream.session as ServerHttp2Session) ?? Number.POSITIVE_INFINITY;
  if ((stream.id ?? 0) <= last) return false;
  if (last === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
  return true;
}

/** Breaks a request off as a `reset`, `silence` or `goaway` fault asks: it gets no answer. */
export function breakOff({ kind, reason = '' }: Fault, request: Request, response: Response): void {
  if (kind === 'silence') return;
  const stream = streamOf(request);
  const code = constants[`NGHTTP2_${reason}` as 'NGHTTP2_REFUSED_STREAM'];
  if (!stream) request.socket.destroy();
  else if (kind === 'goaway') goAway(request as Http2ServerRequest, reason);
  else if (typeof code === 'number') stream.close(code);
  else stream.session?.destroy();
  if (kind === 'reset' && !stream) response.destroy();
}

/**
 * Ends the session below this request's stream (RFC 9113, section 6.8). Node cannot write a last stream of 0, so at the
 * session's very first stream this one and all others are ended by REFUSED_STREAM, which says the same (section 8.7). The client
 * closes the connection.
 */
function goAway({ stream }: Http2ServerRequest, reason: string): void {
  const session = stream.session as ServerHttp2Session | undefined;
  if (!session || session.destroyed) return;
  const id = stream.id ?? 1;
  const code = reason === 'too_many_pings' ? constants.NGHTTP2_ENHANCE_YOUR_CALM : constants.NGHTTP2_NO_ERROR;
  const last = Math.max(id - 2, 0);
  ended.set(session, last);
  session.goaway(code, last, Buffer.from(reason));
  if (last === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
}

function streamOf(request: Request): Http2ServerRequest['stream'] | undefined {
  return 'stream' in request ? request.stream : undefined;
}
