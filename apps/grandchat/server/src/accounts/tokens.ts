import { SignJWT } from 'jose';

const CONNECTION_S = 120;
const SUBSCRIPTION_S = 300;

/**
 * Tokens for Carillon's client protocol. They are short-lived, because a signed-out browser keeps its connection until they
 * end: refreshing is refused with 401 then, and Carillon closes it (120 s and 25 s of grace at the latest). The
 * front end closes its own at once.
 */
export class Tokens {
  readonly #key: Uint8Array;

  constructor(secret: string) {
    this.#key = new TextEncoder().encode(secret);
  }

  connection(userId: number): Promise<string> {
    return this.#sign(userId, {}, CONNECTION_S);
  }

  subscription(userId: number, channel: string): Promise<string> {
    return this.#sign(userId, { channel }, SUBSCRIPTION_S);
  }

  #sign(userId: number, claims: Record<string, string>, seconds: number): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(String(userId))
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(this.#key);
  }
}
