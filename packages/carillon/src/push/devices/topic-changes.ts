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
