import type { Queryable } from 'carillon';
import { broadcastPayload, type CommandTable } from './command-table.ts';
import type { Broadcaster, RoomEvent } from './room-events.ts';

/** A room with more members than this is big, and stays so. */
export const BIG_ROOM_MEMBERS = 1_000;

/**
 * Modes `outbox` and `cdc`: events are rows of a table that a consumer reads.
 *
 * An *ordinary* room's event is one row in the room's partition, written with the change. A *big* room's is one small row of
 * `chat_event`, which the `Expander` turns into rows for its members after the commit, in partitions of their own: neither the
 * writer nor ordinary rooms wait for a hundred thousand channels.
 *
 * A room becomes big at its first change with too many members, and never goes back. At that moment rows of it may wait in its
 * old partition, and its next event must not overtake them. All of them are committed, since changes of a room happen one
 * after another, so they are among the rows that are in that partition now: the event notes the highest id among them, and
 * is not expanded before the partition has no row up to it. Later events wait behind that one.
 */
export class TableBroadcaster implements Broadcaster {
  readonly #table: CommandTable;

  constructor(table: CommandTable) {
    this.#table = table;
  }

  async write(tx: Queryable, event: RoomEvent): Promise<void> {
    const { roomId, type, body, idempotencyKey, toMembers, toUsers } = event;
    const data = JSON.stringify({ type, body });
    const partition = this.#table.partitionOf(roomId);
    // Who is alone with an event changes nothing in the room, and so holds no lock under which it could become big.
    const isBig = toMembers ? `is_big OR member_count > ${BIG_ROOM_MEMBERS}` : 'is_big';
    const [row] = await tx.query(
      `INSERT INTO ${this.#table.name} (method, payload, partition)
       SELECT 'broadcast', (${broadcastPayload({ data: '$2::text', key: '$3::text' })})::json, $4::bigint
       FROM (
         SELECT user_id FROM chat_roommember WHERE room_id = $1 AND $5::boolean UNION SELECT unnest($6::bigint[])
       ) AS users
       WHERE (SELECT NOT (${isBig}) FROM chat_room WHERE id = $1) HAVING count(*) > 0 RETURNING id`,
      [roomId, data, idempotencyKey, partition, toMembers, toUsers],
    );
    if (row) return;
    await tx.query(
      `WITH becomes_big AS (UPDATE chat_room SET is_big = true WHERE id = $1 AND NOT is_big RETURNING id)
       INSERT INTO chat_event (room_id, data, idempotency_key, to_members, to_users, waits_partition, waits_id)
       SELECT $1, $2::json, $3, $5, $6::bigint[], old.partition,
         (SELECT coalesce(max(id), 0) FROM ${this.#table.name} o WHERE o.partition = old.partition)
       FROM (SELECT 1) AS one LEFT JOIN (SELECT $4::bigint AS partition FROM becomes_big) AS old ON true`,
      [roomId, data, idempotencyKey, partition, toMembers, toUsers],
    );
  }

  send(): void {}

  async close(): Promise<void> {}
}
