import type { Database, Queryable } from 'carillon';
import { hashPassword } from './accounts/passwords.ts';

/** Of every account that is made for trying things out. */
export const DEMO_PASSWORD = 'carillon-demo';
const HOUR_S = 3600;

export interface DemoAccount {
  readonly username: string;
  readonly password: string;
}

/** Rooms of a first start: who is in them, and what was said, hours before now. */
const ROOMS: readonly {
  name: string;
  members: string[];
  talk: [hoursAgo: number, author: string, text: string][];
}[] = [
  {
    name: 'Welcome',
    members: ['alice', 'bob', 'carol'],
    talk: [
      [50, 'alice', 'Hello everybody! This is GrandChat on Carillon, all on one machine.'],
      [49.9, 'bob', 'Neat. So messages come over the WebSocket while I am here …'],
      [49.8, 'alice', '… and by Web Push when you are not. Press the bell at the top to try it.'],
      [26, 'carol', 'Just did. Closed the tab, and the notification opened this very room 👍'],
      [25.9, 'bob', 'Several messages merge into one notification, too.'],
    ],
  },
  {
    name: 'Coffee corner',
    members: ['alice', 'carol'],
    talk: [
      [30, 'carol', 'Has anybody seen the good beans?'],
      [29.5, 'alice', 'Second shelf, behind the tea. Do not tell Bob ☕'],
      [5, 'carol', 'Found them. You are a hero.'],
    ],
  },
  {
    name: 'Bell ringing',
    members: ['bob', 'carol'],
    talk: [
      [20, 'bob', 'A carillon has at least 23 bells: https://en.wikipedia.org/wiki/Carillon'],
      [19.5, 'carol', 'The largest have more than seventy. Imagine the rope work!'],
      [3, 'bob', 'No ropes: a keyboard, played with the fists.'],
    ],
  },
  { name: 'Book club', members: ['alice'], talk: [[40, 'alice', 'This month: something short, please.']] },
];

/** Fills an empty database with three people and some rooms; gives back the accounts, or none when there is data. */
export async function createDemo(db: Database): Promise<DemoAccount[]> {
  const password = await hashPassword(DEMO_PASSWORD);
  return db.transaction(async (tx) => {
    const [any] = await tx.query('SELECT id FROM chat_user LIMIT 1');
    if (any) return [];
    const ids = new Map<string, number>();
    for (const username of ['alice', 'bob', 'carol']) {
      const [row] = await tx.query<{ id: number }>(
        'INSERT INTO chat_user (username, password) VALUES ($1, $2) RETURNING id',
        [username, password],
      );
      ids.set(username, (row as { id: number }).id);
    }
    for (const room of ROOMS) await createRoom(tx, room, ids);
    return [...ids.keys()].map((username) => ({ username, password: DEMO_PASSWORD }));
  });
}

async function createRoom(
  tx: Queryable,
  { name, members, talk }: (typeof ROOMS)[number],
  ids: ReadonlyMap<string, number>,
): Promise<void> {
  const [room] = await tx.query<{ id: number }>(
    'INSERT INTO chat_room (name, member_count) VALUES ($1, $2) RETURNING id',
    [name, members.length],
  );
  const roomId = (room as { id: number }).id;
  await tx.query(
    `INSERT INTO chat_message (room_id, user_id, content, created_at)
     SELECT $1, x.author, x.content, now() - x.age * interval '1 second'
     FROM jsonb_to_recordset($2::jsonb) AS x(author int8, content text, age float8)`,
    [
      roomId,
      JSON.stringify(
        talk.map(([hours, author, content]) => ({ author: ids.get(author), content, age: hours * HOUR_S })),
      ),
    ],
  );
  await tx.query(
    `UPDATE chat_room r SET last_message_id = l.id, bumped_at = l.created_at, version = $2
     FROM (SELECT id, created_at FROM chat_message WHERE room_id = $1 ORDER BY id DESC LIMIT 1) l WHERE r.id = $1`,
    [roomId, members.length + talk.length],
  );
  await tx.query(
    `INSERT INTO chat_roommember (room_id, user_id, last_read_id)
     SELECT r.id, member, r.last_message_id FROM chat_room r, unnest($2::bigint[]) AS member WHERE r.id = $1`,
    [roomId, members.map((member) => ids.get(member))],
  );
}
