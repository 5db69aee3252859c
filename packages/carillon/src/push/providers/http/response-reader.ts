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
  #body: Buffer | undefined;
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
    const room = this.#keptBytes - this.#kept;
    if (room > 0) {
      // Most answers come in one piece that fits: no second view of it, and no list.
      const part = chunk.length <= room ? chunk : chunk.subarray(0, room);
      this.#body = this.#body ? Buffer.concat([this.#body, part]) : part;
      this.#kept += part.length;
    }
    return this.#read <= Math.max(MIN_READ_BYTES, this.#keptBytes);
  }

  response(): HttpResponse {
    return { status: this.status, headers: this.#headers, text: this.#body?.toString('utf8') ?? '' };
  }
}
