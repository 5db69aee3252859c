/** Where a frame's header has the number of its stream (RFC 9113 §4.1). */
const STREAM_ID_AT = 5;

/** Frames that a connection is to write, copied once, when all are known. */
export class Output {
  #frames: Buffer[] = [];
  /** The stream of each; 0 where the frame has the right one already. */
  #ids: number[] = [];
  /** Where a second frame begins in each, which is of the same stream; 0 where there is none. */
  #seconds: number[] = [];
  #length = 0;

  add(frame: Buffer): void {
    this.addFor(0, frame, 0);
  }

  /**
   * @param frames one or two that were made for the stream 0
   * @param secondAt where the second begins, 0 where there is none
   */
  addFor(id: number, frames: Buffer, secondAt: number): void {
    this.#frames.push(frames);
    this.#ids.push(id);
    this.#seconds.push(secondAt);
    this.#length += frames.length;
  }

  /** All that was added since; undefined when it is nothing. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined;
    const bytes = Buffer.allocUnsafe(this.#length);
    let at = 0;
    for (const [index, frames] of this.#frames.entries()) {
      const id = this.#ids[index] as number;
      const secondAt = this.#seconds[index] as number;
      bytes.set(frames, at);
      if (id > 0) bytes.writeUInt32BE(id, at + STREAM_ID_AT);
      if (secondAt > 0) bytes.writeUInt32BE(id, at + secondAt + STREAM_ID_AT);
      at += frames.length;
    }
    this.#frames = [];
    this.#ids = [];
    this.#seconds = [];
    this.#length = 0;
    return bytes;
  }
}
