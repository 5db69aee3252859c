import type { IncomingMessage } from 'node:http';
import type { Codec, Encoded } from '../codec/codec.ts';

/** The wire under one session, whatever it is made of. */
export interface Transport {
  readonly name: string;
  readonly codec: Codec;
  /** Clients that can only listen: they get pushes alone, and connect by their first and only request. */
  readonly unidirectional?: boolean;
  /** Commands come by requests of their own, which name the session by its key. */
  readonly emulated?: boolean;
  /** A frame of the transport's own tells the code when it closes. */
  readonly hasCloseFrames?: boolean;
  /** Sends a ping of the transport's own, whose answer is handed to `Session.onPong`. */
  readonly ping?: () => void;
  /** Stops reading from the client, or goes on; absent where what comes is bounded anyhow. */
  readonly pause?: (pause: boolean) => void;
  /** How long the peer may take nothing of what there is for it; milliseconds. */
  readonly writeTimeoutMs: number;
  /** Sends several encoded messages, in order. */
  write(messages: readonly Encoded[]): void;
  /** Bytes that the peer has not taken yet. */
  buffered(): number;
  /** Ends the connection so that the client learns code and reason. */
  close(code: number, reason: string): void;
}

/** What tells a client why it is sent away, where the transport has no way of its own to say so. */
export function disconnectPush(code: number, reason: string): object {
  return { push: { disconnect: { code, reason } } };
}

export function queryOf(request: IncomingMessage): URLSearchParams {
  const url = request.url ?? '';
  const start = url.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
}
