import { randomBytes } from 'node:crypto';

/** A week, in seconds. */
export const AUTH_TOKEN_SECONDS = 604_800;
const MAX_INSTALLATIONS = 100_000;
const MAX_AUTH_TOKENS = 200_000;

/** One web app in one browser profile. */
export interface Installation {
  readonly fid: string;
  readonly project: string;
  readonly refreshToken: string;
  /** FCM addresses that end with it. */
  readonly addresses: Set<string>;
}

/** Firebase installations and the tokens that speak for them. */
export class Installations {
  readonly #byFid = new Map<string, Installation>();
  readonly #authTokens = new Map<string, { fid: string; expiresAt: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A new one takes the place of an earlier one with its id. */
  create(project: string, fid: string): Installation {
    const installation = {
      fid,
      project,
      refreshToken: `3_${randomBytes(48).toString('base64url')}`,
      addresses: new Set<string>(),
    };
    keep(this.#byFid, fid, installation, MAX_INSTALLATIONS);
    return installation;
  }

  find(project: string, fid: string): Installation | undefined {
    const installation = this.#byFid.get(fid);
    return installation?.project === project ? installation : undefined;
  }

  delete({ fid }: Installation): void {
    this.#byFid.delete(fid);
  }

  createAuthToken({ fid }: Installation): string {
    const token = randomBytes(96).toString('base64url');
    keep(
      this.#authTokens,
      token,
      { fid, expiresAt: this.#now() + AUTH_TOKEN_SECONDS * 1000 },
      MAX_AUTH_TOKENS,
    );
    return token;
  }

  /** The installation that an auth token speaks for, until it is out of time. */
  authenticate(project: string, authToken: string): Installation | undefined {
    const found = this.#authTokens.get(authToken);
    return found && this.#now() < found.expiresAt ? this.find(project, found.fid) : undefined;
  }
}

/** Sets, and forgets the oldest when there are too many. */
function keep<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}
