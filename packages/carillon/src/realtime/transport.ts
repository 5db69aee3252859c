/** The wire under one session, whatever it is made of. */
export interface Transport {
  readonly name: string;
  /** Sends several encoded messages, in order. */
  write(messages: readonly string[]): void;
  /** Bytes that the peer has not taken yet. */
  buffered(): number;
  /** Ends the connection so that the client learns code and reason. */
  close(code: number, reason: string): void;
}
