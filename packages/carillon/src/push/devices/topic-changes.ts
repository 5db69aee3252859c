import type { Queryable } from '../../storage/database.ts';

export type TopicOp = 'add' | 'remove' | 'set';
export const TOPIC_OPS: readonly TopicOp[] = ['add', 'remove', 'set'];

/** Adds, removes or replaces topics of these devices alone. */
export async function changeDeviceTopics(
  on: Queryable,
  devices: readonly string[],
  op: TopicOp,
  topics: readonly string[],
): Promise<void> {
  if (op !== 'add') {
    const compare = op === 'set' ? '<> ALL' : '= ANY';
    await on.query(
      `DELETE FROM carillon_device_topics WHERE device_id = ANY($1::text[]) AND topic ${compare}($2::text[])`,
      [devices, topics],
    );
  }
  if (op !== 'remove') {
    await on.query(
      `INSERT INTO carillon_device_topics (device_id, topic)
       SELECT device, topic FROM unnest($1::text[]) AS device CROSS JOIN unnest($2::text[]) AS topic
       ORDER BY device, topic ON CONFLICT DO NOTHING`,
      [devices, topics],
    );
  }
}

/**
 * Registrations of a user's devices (`carillon_register_device`, which takes the same lock shared) and changes of that user's
 * topics exclude each other; else a device that registers while a topic is added could miss it. Registrations among themselves
 * do not.
 */
export async function lockUserTopics(tx: Queryable, user: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtext('carillon user topics'), hashtext($1))`, [user]);
}

/**
 * Binds each of these users to each of these topics, and their registered devices with them: what `user_topic_update` with
 * `op` "add" does for one user. Runs in the caller's transaction, which holds a lock for each user until it ends: some thousands
 * of users at a time, or PostgreSQL runs out of room for locks. Needs Carillon's schema (`PUSH_MIGRATIONS`).
 */
export async function addUserTopics(
  tx: Queryable,
  users: readonly string[],
  topics: readonly string[],
): Promise<void> {
  // In the order of the locks, so that two at once wait for each other and do not stand across.
  await tx.query(
    `SELECT count(pg_advisory_xact_lock(hashtext('carillon user topics'), key))
     FROM (SELECT DISTINCT hashtext(u) AS key FROM unnest($1::text[]) AS u ORDER BY 1) keys`,
    [users],
  );
  await tx.query(
    `INSERT INTO carillon_user_topics (user_id, topic)
     SELECT u, topic FROM unnest($1::text[]) AS u CROSS JOIN unnest($2::text[]) AS topic
     ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
    [users, topics],
  );
  await tx.query(
    `INSERT INTO carillon_device_topics (device_id, topic)
     SELECT d.id, topic FROM carillon_devices d CROSS JOIN unnest($2::text[]) AS topic
     WHERE d.user_id = ANY($1::text[]) AND d.user_id <> ''
     ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
    [users, topics],
  );
}
