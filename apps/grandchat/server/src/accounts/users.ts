import type { Database } from 'carillon';
import { HttpError, invalid } from '../http/errors.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import type { SessionUser } from './sessions.ts';

const USERNAME = /^[\p{L}\p{N}_.-]{2,32}$/u;
const PASSWORD_MIN = 8;
const PASSWORD_MAX = 128;
const UNIQUE_VIOLATION = '23505';

/** @throws HttpError 400 naming the field, 409 when the name is taken */
export async function createUser(db: Database, username: unknown, password: unknown): Promise<SessionUser> {
  if (typeof username !== 'string' || !USERNAME.test(username)) {
    throw invalid('username', 'must be 2 to 32 letters, digits, "_", "." or "-"');
  }
  if (typeof password !== 'string' || password.length < PASSWORD_MIN || password.length > PASSWORD_MAX) {
    throw invalid('password', `must have ${PASSWORD_MIN} to ${PASSWORD_MAX} characters`);
  }
  const hash = await hashPassword(password);
  try {
    const [row] = await db.query<SessionUser>(
      'INSERT INTO chat_user (username, password) VALUES ($1, $2) RETURNING id, username',
      [username.normalize('NFC'), hash],
    );
    return row as SessionUser;
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    throw new HttpError(409, `the username ${username} is taken`, { field: 'username' });
  }
}

/** Undefined when name and password do not belong together. */
export async function authenticate(
  db: Database,
  username: string,
  password: string,
): Promise<SessionUser | undefined> {
  if (password.length > PASSWORD_MAX || username.length > 64 || username.includes('\0')) return undefined;
  const [row] = await db.query<{ id: number; username: string; password: string }>(
    'SELECT id, username, password FROM chat_user WHERE lower(username) = lower($1)',
    [username.normalize('NFC')],
  );
  const matches = await verifyPassword(password, row?.password);
  return row && matches ? { id: row.id, username: row.username } : undefined;
}
