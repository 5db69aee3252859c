import type { Command } from '../commands.ts';
import { placeOfMessage } from '../counters.ts';

/** One message to a client, ready to be framed. */
export type Encoded = string | Buffer;

/** How messages look on the wire (client-protocol, section 2). One instance serves all connections. */
export interface Codec {
  readonly name: 'json' | 'protobuf';
  /**
   * Splits what came from a client into commands.
   * @throws Disconnect 3501 for an empty frame, or one that is not wholly commands
   */
  decode(frame: Buffer): Command[];
  /**
   * Encodes one reply or push, given as an object with the names of the JSON form and payloads in it. `{}` is a ping.
   * @throws Disconnect 3506 for a payload that this encoding cannot carry
   */
  encode(message: object): Encoded;
  /** Puts messages together as one frame. */
  frame(messages: readonly Encoded[]): Encoded;
}

/** A message to many sessions: encoded once for each codec, when the first of its sessions asks. */
export class SharedMessage {
  readonly #message: object;
  readonly #encoded = new Map<Codec, Outgoing>();

  constructor(message: object) {
    this.#message = message;
  }

  /** @throws Disconnect 3506, as `Codec.encode` */
  encoded(codec: Codec): Outgoing {
    let encoded = this.#encoded.get(codec);
    if (encoded === undefined) {
      encoded = outgoing(codec, this.#message);
      this.#encoded.set(codec, encoded);
    }
    return encoded;
  }
}

/** A message to a client, with what is counted of it. */
export interface Outgoing {
  readonly encoded: Encoded;
  readonly bytes: number;
  /** Of its frame type, as `placeOf` has it. */
  readonly place: number;
}

/** @throws Disconnect 3506, as `Codec.encode` */
export function outgoing(codec: Codec, message: object, place = placeOfMessage(message)): Outgoing {
  const encoded = codec.encode(message);
  return { encoded, bytes: Buffer.byteLength(encoded), place };
}
