/** What an OAuth service gives: a token and how long it is good for. */
export interface Grant {
  readonly token: string;
  readonly expiresInMs: number;
}

/** No access token was had. `isRefused`: the service looked at our credential and said no. */
export class OAuthError extends Error {
  override name = 'OAuthError';
  readonly isRefused: boolean;

  constructor(message: string, isRefused: boolean, options?: ErrorOptions) {
    super(message, options);
    this.isRefused = isRefused;
  }
}

/** A token is replaced this long before its end, */
const EARLY_MS = 300_000;
/** or after this share of its life, where that is later. */
const MAX_EARLY_SHARE = 0.2;
/** After a failure nobody asks again for this long. */
const FAILURE_PAUSE_MS = 2_000;

/**
 * The access token of one credential: asked for when it is first needed, replaced early and in the background, one
 * request under way at a time. A failure is remembered for a moment, so that a batch does not ask once a target.
 */
export class AccessTokens {
  readonly #request: () => Promise<Grant>;
  readonly #clock: () => number;
  #token: string | undefined;
  #refreshAt = 0;
  #expiresAt = 0;
  #pending: Promise<string> | undefined;
  #failure: { error: OAuthError; until: number } | undefined;

  /**
   * @param request asks the service; rejects with `OAuthError`
   * @param clock milliseconds; never goes back
   */
  constructor(request: () => Promise<Grant>, clock: () => number = () => performance.now()) {
    this.#request = request;
    this.#clock = clock;
  }

  /** The token to use now; undefined when one has to be waited for. */
  ready(): string | undefined {
    const now = this.#clock();
    if (this.#token === undefined || now >= this.#expiresAt) return undefined;
    if (now >= this.#refreshAt) this.#refresh().catch(() => {});
    return this.#token;
  }

  /** The token to use, fetched first where need be. Rejects with `OAuthError`. */
  async current(): Promise<string> {
    return this.ready() ?? (await this.#refresh());
  }

  /** The service refuses a token before its time: the next `current` gets another. */
  discard(token: string): void {
    if (token === this.#token) this.#token = undefined;
  }

  #refresh(): Promise<string> {
    if (this.#pending) return this.#pending;
    if (this.#failure && this.#clock() < this.#failure.until) return Promise.reject(this.#failure.error);
    this.#pending = this.#request()
      .then(
        ({ token, expiresInMs }) => {
          const now = this.#clock();
          this.#failure = undefined;
          this.#token = token;
          this.#expiresAt = now + expiresInMs;
          this.#refreshAt = this.#expiresAt - Math.min(EARLY_MS, expiresInMs * MAX_EARLY_SHARE);
          return token;
        },
        (error: OAuthError) => {
          this.#failure = { error, until: this.#clock() + FAILURE_PAUSE_MS };
          throw error;
        },
      )
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }
}
