import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Database, Queryable } from 'carillon';

const LIFETIME_DAYS = 30;
/** A session is prolonged at most this often, not at every request. */
const PROLONG_AFTER_HOURS = 12;

export interface SessionUser {
  readonly id: number;
  readonly username: string;
}

export interface Session {
  readonly tokenHash: string;
  readonly user: SessionUser;
  /** The device that was registered in this session; empty when none was. */
  readonly deviceId: string;
}

/** Signed-in browsers. Only a hash of each token is stored: who reads the table cannot sign in. */
export class Sessions {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Starts a session; gives back the token for the cookie. */
  async start(userId: number): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await this.#db.query(
      `INSERT INTO chat_session (token_hash, user_id, expires_at) VALUES ($1, $2, now() + interval '${LIFETIME_DAYS} days')`,
      [hashToken(token), userId],
    );
    return token;
  }

  /** The session of a cookie's token; undefined when there is none or it is over. */
  async find(token: string | undefined): Promise<Session | undefined> {
    if (!token || token.length > 128) return undefined;
    const tokenHash = hashToken(token);
    const [row] = await this.#db.query<{ id: number; username: string; device_id: string; prolong: boolean }>(
      `SELECT u.id, u.username, s.device_id,
              s.expires_at < now() + interval '${LIFETIME_DAYS} days' - interval '${PROLONG_AFTER_HOURS} hours' AS prolong
       FROM chat_session s JOIN chat_user u ON u.id = s.user_id
       WHERE s.token_hash = $1 AND s.expires_at > now()`,
      [tokenHash],
    );
    if (!row) return undefined;
    if (row.prolong) {
      await this.#db.query(
        `UPDATE chat_session SET expires_at = now() + interval '${LIFETIME_DAYS} days' WHERE token_hash = $1`,
        [tokenHash],
      );
    }
    return { tokenHash, user: { id: row.id, username: row.username }, deviceId: row.device_id };
  }

  async end(tx: Queryable, session: Session): Promise<void> {
    await tx.query('DELETE FROM chat_session WHERE token_hash = $1', [session.tokenHash]);
  }

  async rememberDevice(session: Session, deviceId: string): Promise<void> {
    await this.#db.query('UPDATE chat_session SET device_id = $2 WHERE token_hash = $1', [
      session.tokenHash,
      deviceId,
    ]);
  }

  /**
   * Ends sessions that are over, and silences their devices, as a logout would: who is signed in no more is not to be rung
   * there (P17). A device that a living session has, too, goes on.
   */
  async forgetExpired(
    silence: (tx: Queryable, userId: number, deviceId: string) => Promise<void>,
  ): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const devices = await tx.query<{ user_id: number; device_id: string }>(
        `WITH over AS (DELETE FROM chat_session WHERE expires_at <= now() RETURNING user_id, device_id)
         SELECT DISTINCT user_id, device_id FROM over
         WHERE device_id <> '' AND NOT EXISTS (
           SELECT FROM chat_session s WHERE s.device_id = over.device_id AND s.expires_at > now()
         )`,
      );
      for (const { user_id, device_id } of devices) await silence(tx, user_id, device_id);
    });
  }
}

/**
 * CSRF tokens, bound to the browser by a cookie and to its session: what was read before a login is worth nothing
 * after it. Nothing is stored.
 */
export class CsrfTokens {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'grandchat csrf', 32));
  }

  newCookie(): string {
    return randomBytes(24).toString('base64url');
  }

  tokenFor(cookie: string, sessionToken: string | undefined): string {
    return createHmac('sha256', this.#key)
      .update(`${cookie}.${sessionToken ?? ''}`)
      .digest('base64url');
  }

  verify(given: string | undefined, cookie: string | undefined, sessionToken: string | undefined): boolean {
    if (!given || !cookie) return false;
    const expected = Buffer.from(this.tokenFor(cookie, sessionToken));
    const actual = Buffer.from(given);
    return actual.length === expected.length && timingSafeEqual(actual, expected);
  }
}

function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
