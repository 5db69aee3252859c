import type { Codec, Encoded } from './codec/codec.ts';

/** The wire under one session, whatever it is made of. */
export interface Transport {
  readonly name: string;
  readonly codec: Codec;
  /** Sends several encoded messages, in order. */
  write(messages: readonly Encoded[]): void;
  /** Bytes that the peer has not taken yet. */
  buffered(): number;
  /** Ends the connection so that the client learns code and reason. */
  close(code: number, reason: string): void;
}
