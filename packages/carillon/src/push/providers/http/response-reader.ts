import type { PushResponse } from './outcome.ts';

const KEPT_BYTES = 2 * 1024;
const READ_BYTES = 64 * 1024;

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Takes an answer in: its status, the headers that matter, and the first 2 KiB of a body that nobody bounds. */
export class ResponseReader {
  readonly status: number;
  readonly #headers: Headers;
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #read = 0;

  constructor(status: number, headers: Headers) {
    this.status = status;
    this.#headers = headers;
  }

  /** A success needs no words: it counts as soon as the status is there. */
  get isDecided(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** @returns false when the service has said more than anybody will listen to */
  add(chunk: Buffer): boolean {
    this.#read += chunk.length;
    if (this.#kept < KEPT_BYTES) {
      const part = chunk.subarray(0, KEPT_BYTES - this.#kept);
      this.#chunks.push(part);
      this.#kept += part.length;
    }
    return this.#read <= READ_BYTES;
  }

  response(): PushResponse {
    const body = Buffer.concat(this.#chunks).toString('utf8');
    return {
      status: this.status,
      location: this.#header('location'),
      retryAfter: this.#header('retry-after'),
      text: body || this.#header('x-wns-error-description') || '',
    };
  }

  #header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }
}
