import { addUserTopics, type Database, type Queryable } from 'carillon';
import { hashPassword } from './accounts/passwords.ts';
import { DEMO_PASSWORD } from './demo.ts';
import { roomTopic } from './rooms/commands/push-commands.ts';

/** Rooms of every size, as the tutorial has them: the members are the first so many users. */
export const SCALE_ROOMS: readonly { readonly name: string; readonly members: number }[] = [
  { name: 'Centrifugo', members: 100_000 },
  { name: 'Movies', members: 10_000 },
  { name: 'Programming', members: 1_000 },
  { name: 'Football', members: 100 },
];

/** In one transaction: each holds the lock on its room, and Carillon one for each user. */
const BATCH = 2_000;

/** What was missing and is there now. */
export interface ScaleAdded {
  readonly users: number;
  readonly members: number;
}

export interface ScaleOptions {
  /** At least 1. Rooms have no more members than there are users. */
  readonly users: number;
  /** Told after each batch: how many of a step's users or members have been looked at. */
  readonly onProgress?: (step: string, done: number, total: number) => void;
}

/** The name of the nth user, from 1. */
export function scaleUsername(n: number): string {
  return `scale-${n}`;
}

/**
 * Adds users `scale-1` … and the rooms above, with each member bound to the room's notifications; what is there already
 * stays. Both GrandChat's and Carillon's schema must be up to date. All users share one hash of one password: a hash each would
 * take hours.
 *
 * Nobody is told of the new members: open pages show them when they load again.
 */
export async function addScale(db: Database, { users, onProgress }: ScaleOptions): Promise<ScaleAdded> {
  const password = await hashPassword(DEMO_PASSWORD);
  const added = { users: 0, members: 0 };
  await inBatches(users, async (names, done) => {
    added.users += await addUsers(db, names, password);
    onProgress?.('users', done, users);
  });
  for (const { name, members } of SCALE_ROOMS) {
    const roomId = await addRoom(db, name);
    const count = Math.min(users, members);
    await inBatches(count, async (names, done) => {
      added.members += await db.transaction((tx) => addMembers(tx, roomId, names));
      onProgress?.(`members of ${name}`, done, count);
    });
  }
  return added;
}

async function inBatches(
  count: number,
  work: (names: readonly string[], done: number) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < count; ) {
    const size = Math.min(BATCH, count - done);
    const first = done + 1;
    done += size;
    await work(
      Array.from({ length: size }, (_, at) => scaleUsername(first + at)),
      done,
    );
  }
}

/** @returns how many were missing */
async function addUsers(db: Database, names: readonly string[], password: string): Promise<number> {
  const rows = await db.query(
    `INSERT INTO chat_user (username, password) SELECT name, $2 FROM unnest($1::text[]) AS name
     ON CONFLICT (lower(username)) DO NOTHING RETURNING id`,
    [names, password],
  );
  return rows.length;
}

async function addRoom(db: Database, name: string): Promise<number> {
  await db.query('INSERT INTO chat_room (name) VALUES ($1) ON CONFLICT (lower(name)) DO NOTHING', [name]);
  const [room] = await db.query<{ id: number }>('SELECT id FROM chat_room WHERE lower(name) = lower($1)', [
    name,
  ]);
  return (room as { id: number }).id;
}

/**
 * The topics are bound under the room's lock, so that the command of somebody who leaves meanwhile comes after.
 * @returns how many were missing
 */
async function addMembers(tx: Queryable, roomId: number, names: readonly string[]): Promise<number> {
  await tx.query('SELECT id FROM chat_room WHERE id = $1 FOR UPDATE', [roomId]);
  const users = await tx.query<{ id: number }>(
    'SELECT id FROM chat_user WHERE lower(username) = ANY($1::text[])',
    [names],
  );
  const ids = users.map(({ id }) => id);
  const missing = await tx.query(
    `INSERT INTO chat_roommember (room_id, user_id, last_read_id)
     SELECT r.id, u, coalesce(r.last_message_id, 0) FROM chat_room r CROSS JOIN unnest($2::bigint[]) AS u
     WHERE r.id = $1 ORDER BY u ON CONFLICT (room_id, user_id) DO NOTHING RETURNING id`,
    [roomId, ids],
  );
  if (missing.length > 0) {
    await tx.query(
      'UPDATE chat_room SET version = version + 1, member_count = member_count + $2 WHERE id = $1',
      [roomId, missing.length],
    );
  }
  await addUserTopics(tx, ids.map(String), [roomTopic(roomId)]);
  return missing.length;
}
