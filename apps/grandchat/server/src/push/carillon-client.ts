const TIMEOUT_MS = 5_000;

/** Carillon answered with an error; `code` is the server API's. */
export class CarillonError extends Error {
  override name = 'CarillonError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Carillon did not answer, or not in a way that says anything. */
export class CarillonUnavailableError extends Error {
  override name = 'CarillonUnavailableError';
  /** Of the answer; undefined when there was none, or when it was error 100. */
  readonly status: number | undefined;

  constructor(message: string, { status, cause }: { status?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause });
    this.status = status;
  }
}

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
}

/** Calls Carillon's server API, or that of a server which speaks the same. */
export class CarillonClient {
  readonly #url: string;
  readonly #apiKey: string;
  /** For words: another server than Carillon may be meant. */
  readonly #host: string;

  constructor({ url, apiKey }: { url: string; apiKey: string }) {
    this.#url = url.replace(/\/$/, '');
    this.#host = new URL(url).host;
    this.#apiKey = apiKey;
  }

  /**
   * Runs one method and gives back its result.
   * @throws CarillonError when it refuses, CarillonUnavailableError when it cannot be reached in time
   */
  async call<Result>(method: string, request: object, options: CallOptions = {}): Promise<Result> {
    const text = await this.callText(method, JSON.stringify(request), options);
    let answer: { result?: Result };
    try {
      answer = JSON.parse(text) as typeof answer;
    } catch (error) {
      throw new CarillonUnavailableError(`${this.#host}, ${method}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    return answer.result as Result;
  }

  /**
   * The same for a request in JSON text; gives back the whole answer's text, for requests and answers that are not worth
   * building and taking apart.
   */
  async callText(
    method: string,
    body: string,
    { timeoutMs = TIMEOUT_MS, signal }: CallOptions = {},
  ): Promise<string> {
    let status: number;
    let text: string;
    try {
      const timeout = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`${this.#url}/api/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': this.#apiKey },
        body,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw new CarillonUnavailableError(`${this.#host}, ${method}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    if (status === 400) throw new CarillonError(107, text);
    if (status !== 200)
      throw new CarillonUnavailableError(`${this.#host}, ${method}: status ${status}`, { status });
    const error = topLevelError(text);
    if (error?.code === 100) throw new CarillonUnavailableError(`${this.#host}, ${method}: ${error.message}`);
    if (error) throw new CarillonError(error.code, error.message);
    return text;
  }
}

/** `fetch` says "fetch failed", and why in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message ? cause.message : message;
}

/** An answer is `{"result": …}` or `{"error": {code, message}}`; only the second kind, which is short, is read. */
function topLevelError(text: string): { code: number; message: string } | undefined {
  if (!/^\s*\{\s*"error"/.test(text)) return undefined;
  try {
    const { error } = JSON.parse(text) as { error?: { code: number; message: string } };
    return error;
  } catch {
    return undefined;
  }
}
