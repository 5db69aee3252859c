import type { Queryable } from 'carillon';

/** A table that a consumer reads: rows are written in the same transaction as the change they tell of. */
export class CommandTable {
  /** For SQL. */
  readonly name: string;
  /** For commands of ordinary rooms and of users, from 0 on. */
  readonly partitions: number;

  constructor(name: 'chat_outbox' | 'chat_cdc' | 'chat_push_outbox', partitions: number) {
    this.name = name;
    this.partitions = partitions;
  }

  /** Adds a command; those with the same `key` (a room's id, a user's) are carried out in order. */
  async add(tx: Queryable, key: number, method: string, payload: object): Promise<void> {
    await tx.query(`INSERT INTO ${this.name} (method, payload, partition) VALUES ($1, $2::json, $3)`, [
      method,
      JSON.stringify(payload),
      this.partitionOf(key),
    ]);
  }

  /** Depends on nothing but the key and the number of partitions, so that all processes agree. */
  partitionOf(key: number): number {
    return key % this.partitions;
  }
}

/** SQL for the JSON text of a `broadcast` to the users in the column `user_id` of a group of rows; the others are of text. */
export function broadcastPayload({ data, key }: { data: string; key: string }): string {
  return `'{"channels":["personal:' || string_agg(user_id::text, '","personal:' ORDER BY user_id)
    || '"],"data":' || ${data} || ',"idempotency_key":' || to_json(${key}) || '}'`;
}
