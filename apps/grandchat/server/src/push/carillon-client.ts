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
}

/** Calls Carillon's server API. */
export class CarillonClient {
  readonly #url: string;
  readonly #apiKey: string;

  constructor({ url, apiKey }: { url: string; apiKey: string }) {
    this.#url = url.replace(/\/$/, '');
    this.#apiKey = apiKey;
  }

  /**
   * Runs one method and gives back its result.
   * @throws CarillonError when it refuses, CarillonUnavailableError when it cannot be reached in time
   */
  async call<Result>(method: string, request: object, timeoutMs = TIMEOUT_MS): Promise<Result> {
    let answer: { result?: Result; error?: { code: number; message: string } };
    try {
      const response = await fetch(`${this.#url}/api/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': this.#apiKey },
        body: JSON.stringify(request),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok) {
        const text = await response.text();
        if (response.status === 400) throw new CarillonError(107, text);
        throw new Error(`status ${response.status}`);
      }
      answer = (await response.json()) as typeof answer;
    } catch (error) {
      if (error instanceof CarillonError) throw error;
      throw new CarillonUnavailableError(`Carillon, ${method}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (answer.error?.code === 100)
      throw new CarillonUnavailableError(`Carillon, ${method}: ${answer.error.message}`);
    if (answer.error) throw new CarillonError(answer.error.code, answer.error.message);
    return answer.result as Result;
  }
}
