const DEFAULT_KEPT_BYTES = 2 * 1024;
const MIN_READ_BYTES = 64 * 1024;

/** Lower-case names. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An answer, as far as it was read. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The body, or its beginning. */
  readonly text: string;
}

/** A header's value; the first one where there are several. */
export function headerOf({ headers }: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** Takes an answer in: its status, its headers, and the beginning of a body that nobody bounds. */
export class ResponseReader {
  readonly status: number;
  readonly #headers: Headers;
  readonly #keptBytes: number;
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #read = 0;

  /** @param keptBytes of the body; default 2 KiB */
  constructor(status: number, headers: Headers, keptBytes = DEFAULT_KEPT_BYTES) {
    this.status = status;
    this.#headers = headers;
    this.#keptBytes = keptBytes;
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** @returns false when the service has said more than anybody will listen to */
  add(chunk: Buffer): boolean {
    this.#read += chunk.length;
    if (this.#kept < this.#keptBytes) {
      const room = this.#keptBytes - this.#kept;
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
      this.#chunks.push(part);
      this.#kept += part.length;
    }
    return this.#read <= Math.max(MIN_READ_BYTES, this.#keptBytes);
  }

  response(): HttpResponse {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    return { status: this.status, headers: this.#headers, text: body.toString('utf8') };
  }
}
