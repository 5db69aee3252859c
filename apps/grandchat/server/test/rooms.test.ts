import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eachDatabase, type TestDatabase } from '../../../../packages/carillon/test/support/database.ts';
import { type Bench, type Browser, startBench } from './support/bench.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

eachDatabase('rooms and messages', (open) => {
  let database: TestDatabase;
  let bench: Bench;
  let ann: Browser;
  let bob: Browser;
  let cat: Browser;
  before(async () => {
    database = await open();
    bench = await startBench(database.db);
    [ann, bob, cat] = [await bench.person('ann'), await bench.person('bob'), await bench.person('cat')];
  });
  after(async () => {
    await bench?.close();
    await database?.drop();
  });
  let rooms = 0;
  const newRoom = async (...members: Browser[]): Promise<number> => {
    rooms += 1;
    const { body } = await ann.post('/api/rooms/', { name: `Room ${rooms}` });
    for (const member of members) await member.post(`/api/rooms/${body.id}/join/`);
    return body.id;
  };
  const roomOf = async (who: Browser, id: number) => (await who.get(`/api/rooms/${id}/`)).body;

  test('a new room has its maker as a member, and the shape of the contract', async () => {
    const { status, body } = await ann.post('/api/rooms/', { name: '  Garden  ' });
    assert.equal(status, 201);
    assert.match(body.bumped_at, TIME);
    assert.deepEqual(
      { ...body, id: 0, bumped_at: '' },
      {
        id: 0,
        name: 'Garden',
        version: 1,
        bumped_at: '',
        member_count: 1,
        unread_count: 0,
        last_read_id: 0,
        last_message: null,
      },
    );
    const again = await bob.post('/api/rooms/', { name: 'GARDEN' });
    assert.deepEqual([again.status, again.body.field], [409, 'name']);
    for (const name of ['', '  ', 'x'.repeat(101), 7, undefined, 'a\nb', '\u200b\u2060', 'a\u202eb']) {
      const bad = await ann.post('/api/rooms/', { name });
      assert.deepEqual([bad.status, bad.body.field], [400, 'name'], JSON.stringify(name));
    }
  });

  test('B1: who is no member can neither read nor write a room', async () => {
    const id = await newRoom(bob);
    for (const [method, path] of [
      ['GET', `/api/rooms/${id}/`],
      ['GET', `/api/rooms/${id}/messages/`],
      ['POST', `/api/rooms/${id}/messages/`],
      ['POST', `/api/rooms/${id}/read/`],
      ['POST', `/api/rooms/${id}/leave/`],
    ] as const) {
      const { status } = await cat.request(
        method,
        path,
        method === 'POST' ? { content: 'x', message_id: 1 } : undefined,
      );
      assert.equal(status, 404, `${method} ${path}`);
    }
  });

  test('B2: a room that does not exist is 404 everywhere, whatever stands for its id', async () => {
    for (const id of ['999999', '0', '-1', 'abc', '1e3', '99999999999999999999', '%00', '..']) {
      for (const action of ['join', 'leave', 'messages', 'read']) {
        const { status } = await ann.post(`/api/rooms/${id}/${action}/`, { content: 'x', message_id: 1 });
        assert.equal(status, 404, `${id} ${action}`);
      }
    }
  });

  test('B3: a second join is 409 and changes nothing', async () => {
    const id = await newRoom(bob);
    const before = await roomOf(ann, id);
    const { status, body } = await bob.post(`/api/rooms/${id}/join/`);
    assert.deepEqual([status, body], [409, { message: 'already a member' }]);
    assert.deepEqual(await roomOf(ann, id), before);
  });

  test('B13: many who join at once are counted each, and versions have no holes', async () => {
    const id = await newRoom();
    const people = await Promise.all(Array.from({ length: 6 }, (_, n) => bench.person(`crowd-${id}-${n}`)));
    const answers = await Promise.all(people.map((person) => person.post(`/api/rooms/${id}/join/`)));
    assert.deepEqual(answers.map(({ body }) => body.room.version).sort(), [2, 3, 4, 5, 6, 7]);
    assert.equal((await roomOf(ann, id)).member_count, 7);
    const left = await people[0]?.post(`/api/rooms/${id}/leave/`);
    assert.equal(left?.body.room.member_count, 6);
  });

  test('a message, its event and its notification are written together or not at all', async () => {
    const id = await newRoom(bob);
    await database.db.exec(
      'ALTER TABLE chat_outbox ADD CONSTRAINT no_more CHECK (method <> $$send_push_notification$$) NOT VALID',
    );
    const failed = await bob.post(`/api/rooms/${id}/messages/`, { content: 'lost?' });
    await database.db.exec('ALTER TABLE chat_outbox DROP CONSTRAINT no_more');
    assert.equal(failed.status, 500);
    assert.deepEqual(failed.body, { detail: 'something went wrong on the server' });
    const { body } = await bob.get(`/api/rooms/${id}/messages/`);
    assert.equal(body.count, 0);
    assert.ok(!(await bench.outbox('broadcast')).some(({ data }) => data.body.content === 'lost?'));
  });

  test('the event has the very body of the reply, goes to every member, and names its idempotency key', async () => {
    const id = await newRoom(bob);
    const { status, body } = await bob.post(`/api/rooms/${id}/messages/`, {
      content: 'Hello',
      client_id: 'c-1',
    });
    assert.equal(status, 201);
    assert.match(body.created_at, TIME);
    const event = (await bench.outbox('broadcast')).at(-1);
    assert.deepEqual(event, {
      channels: [`personal:${ann.id}`, `personal:${bob.id}`],
      data: { type: 'message_added', body },
      idempotency_key: `message_${body.id}`,
    });
  });

  test('P6, P9, P10, P12, P16: the notification goes by the outbox, leaves out its author, links by the configured origin, is cut, and can neither double nor go stale', async () => {
    const id = await newRoom(bob);
    const { body } = await bob.post(`/api/rooms/${id}/messages/`, {
      content: `${'long '.repeat(200)}\u0007`,
    });
    const push = (await bench.outbox('send_push_notification')).at(-1);
    assert.equal(push.uid, `message_${body.id}`);
    assert.deepEqual(push.recipient, {
      filter: { topics: [`chat:messages:${id}`], exclude: { users: [String(bob.id)] } },
    });
    assert.ok(push.notification.expire_at > Date.now() / 1000 + 80_000);
    assert.deepEqual(push.notification.webpush.headers, {
      TTL: '86400',
      Urgency: 'high',
      Topic: `room-${id}`,
    });
    const { notification, web_push } = push.notification.webpush.payload;
    assert.equal(web_push, 8030);
    assert.equal(notification.navigate, `https://chat.example/rooms/${id}`);
    assert.equal(notification.title, `Room ${rooms}`);
    assert.match(notification.body, /^bob: long /);
    assert.equal([...notification.data.text].length, 300);
    assert.ok(JSON.stringify(push.notification.webpush.payload).length < 3_993);
  });

  test('P16: the longest names and texts of four-byte characters still fit one notification', async () => {
    const { body: room } = await ann.post('/api/rooms/', { name: '🏠'.repeat(100) });
    await ann.post(`/api/rooms/${room.id}/messages/`, { content: '🎉'.repeat(4_000) });
    const push = (await bench.outbox('send_push_notification')).at(-1);
    assert.ok(Buffer.byteLength(JSON.stringify(push.notification.webpush.payload)) <= 3_993);
  });

  test('B9, F8: history is ordered by id and can be read back to its beginning', async () => {
    const id = await newRoom(bob);
    for (let n = 0; n < 7; n++) await bob.post(`/api/rooms/${id}/messages/`, { content: String(n) });
    const seen: string[] = [];
    let next: string | null = `/api/rooms/${id}/messages/?limit=3`;
    while (next) {
      const { body }: { body: { next: string | null; results: { content: string }[]; count: number } } =
        await ann.get(next);
      assert.equal(body.count, 7);
      seen.push(...body.results.map(({ content }) => content));
      next = body.next;
    }
    assert.deepEqual(seen, ['6', '5', '4', '3', '2', '1', '0']);
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'before=-1', 'before=1.5']) {
      const { status, body } = await ann.get(`/api/rooms/${id}/messages/?${query}`);
      assert.equal(status, 400);
      assert.equal(body.field, query.split('=')[0]);
    }
  });

  test('B10: content is bounded, and a resend with its client id makes no second message', async () => {
    const id = await newRoom(bob);
    for (const content of ['', '   ', '\u200b\u3164', undefined, null, 7, {}, 'x'.repeat(4_001)]) {
      const { status, body } = await bob.post(`/api/rooms/${id}/messages/`, { content });
      assert.deepEqual([status, body.field], [400, 'content'], JSON.stringify(content)?.slice(0, 20));
    }
    for (const client_id of ['', 'a b', 'x'.repeat(65), 7]) {
      const { status, body } = await bob.post(`/api/rooms/${id}/messages/`, { content: 'x', client_id });
      assert.deepEqual([status, body.field], [400, 'client_id']);
    }
    const sends = await Promise.all(
      Array.from({ length: 4 }, () =>
        bob.post(`/api/rooms/${id}/messages/`, { content: 'once', client_id: `once-${id}` }),
      ),
    );
    assert.deepEqual(sends.map(({ status }) => status).sort(), [200, 200, 200, 201]);
    assert.equal(new Set(sends.map(({ body }) => body.id)).size, 1);
    assert.equal((await bob.get(`/api/rooms/${id}/messages/`)).body.count, 1);
    const other = await newRoom(bob);
    assert.equal(
      (await bob.post(`/api/rooms/${other}/messages/`, { content: 'x', client_id: `once-${id}` })).status,
      409,
    );
    assert.equal(
      (await ann.post(`/api/rooms/${id}/messages/`, { content: 'mine', client_id: `once-${id}` })).status,
      201,
      'per user',
    );
  });

  test('of messages written at once, the order of versions is that of ids and of the outbox', async () => {
    const id = await newRoom(bob, cat);
    const posts = await Promise.all(
      [ann, bob, cat, ann, bob, cat].map((who, n) =>
        who.post(`/api/rooms/${id}/messages/`, { content: `m${n}` }),
      ),
    );
    const byId = posts.map(({ body }) => body).sort((a, b) => a.id - b.id);
    const versions = byId.map(({ room }) => room.version);
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    );
    const events = (await bench.outbox('broadcast')).filter(
      ({ data }) => data.type === 'message_added' && data.body.room.id === id,
    );
    assert.deepEqual(
      events.map(({ data }) => data.body.id),
      byId.map((message) => message.id),
    );
  });

  test('unread counts rise with others’ messages, fall when read, and never go back', async () => {
    const id = await newRoom(bob);
    const ids = [];
    for (let n = 0; n < 3; n++)
      ids.push((await bob.post(`/api/rooms/${id}/messages/`, { content: String(n) })).body.id);
    assert.equal((await roomOf(ann, id)).unread_count, 3);
    assert.equal((await roomOf(bob, id)).unread_count, 0, 'not one’s own');
    assert.deepEqual((await ann.post(`/api/rooms/${id}/read/`, { message_id: ids[1] })).body, {
      last_read_id: ids[1],
      unread_count: 1,
    });
    assert.deepEqual((await ann.post(`/api/rooms/${id}/read/`, { message_id: ids[0] })).body, {
      last_read_id: ids[1],
      unread_count: 1,
    });
    assert.deepEqual((await ann.post(`/api/rooms/${id}/read/`, { message_id: 9_000_000 })).body, {
      last_read_id: ids[2],
      unread_count: 0,
    });
    const told = (await bench.outbox('broadcast')).filter(
      ({ data }) => data.type === 'room_read' && data.body.room_id === id,
    );
    assert.deepEqual(
      told.map(({ channels, data }) => [channels, data.body.last_read_id]),
      [
        [[`personal:${ann.id}`], ids[1]],
        [[`personal:${ann.id}`], ids[2]],
      ],
    );
    for (const message_id of ['1', -1, 1.5, null])
      assert.equal((await ann.post(`/api/rooms/${id}/read/`, { message_id })).status, 400);
    await cat.post(`/api/rooms/${id}/join/`);
    assert.equal((await roomOf(cat, id)).unread_count, 0, 'what was said before one came is not unread');
  });

  test('joining and leaving bind the user to the room’s notifications, and tell everybody, the leaver too', async () => {
    const id = await newRoom(bob);
    await bob.post(`/api/rooms/${id}/leave/`);
    const topics = (await bench.outbox('user_topic_update')).filter(
      ({ topics: [topic] }) => topic === `chat:messages:${id}`,
    );
    assert.deepEqual(
      topics.map(({ user, op }) => [user, op]),
      [
        [String(ann.id), 'add'],
        [String(bob.id), 'add'],
        [String(bob.id), 'remove'],
      ],
    );
    const event = (await bench.outbox('broadcast')).at(-1);
    assert.deepEqual(event.channels, [`personal:${ann.id}`, `personal:${bob.id}`]);
    assert.deepEqual(
      [event.data.type, event.data.body.user, event.data.body.room.member_count],
      ['user_left', { id: bob.id, username: 'bob' }, 1],
    );
    assert.equal('unread_count' in event.data.body.room, false, 'what is one member’s own is nobody else’s');
  });

  test('B11: who has left is told of nothing that comes after, and who is told of what in the order in which it happened', async () => {
    const id = await newRoom(bob);
    await ann.post(`/api/rooms/${id}/messages/`, { content: 'still here' });
    await bob.post(`/api/rooms/${id}/leave/`);
    await ann.post(`/api/rooms/${id}/messages/`, { content: 'gone' });
    const told = (await bench.outbox('broadcast')).filter(({ data }) => data.body.room?.id === id).slice(-3);
    assert.deepEqual(
      told.map(({ data, channels }) => [data.type, channels.includes(`personal:${bob.id}`)]),
      [
        ['message_added', true],
        ['user_left', true],
        ['message_added', false],
      ],
    );
  });

  test('B6: a room’s commands are all in one partition, and rooms are spread over the partitions', async () => {
    const ids = [await newRoom(bob), await newRoom(bob), await newRoom(bob)];
    for (const id of ids) await bob.post(`/api/rooms/${id}/messages/`, { content: 'x' });
    const partitions = async (id: number) =>
      (
        await database.db.query<{ partition: number }>(
          `SELECT DISTINCT partition FROM chat_outbox
           WHERE payload->'data'->'body'->'room'->>'id' = $1 OR payload->'topics'->>0 = 'chat:messages:' || $1
              OR payload->'recipient'->'filter'->'topics'->>0 = 'chat:messages:' || $1`,
          [String(id)],
        )
      ).map(({ partition }) => partition);
    const found = await Promise.all(ids.map(partitions));
    assert.ok(found.every((list) => list.length === 1));
    assert.equal(new Set(found.flat()).size, 3);
  });

  test('search finds anywhere without case, takes wildcards literally, and knows where one is a member', async () => {
    for (const name of ['50% off', '50x off', 'under_score', 'underXscore'])
      await ann.post('/api/rooms/', { name });
    const names = async (q: string) =>
      (await bob.get(`/api/search/?q=${encodeURIComponent(q)}`)).body.results.map(
        ({ name }: { name: string }) => name,
      );
    assert.deepEqual(await names('50%'), ['50% off']);
    assert.deepEqual(await names('R_S'), ['under_score']);
    assert.deepEqual(await names('\\'), []);
    const { body } = await ann.get('/api/search/?q=50%25');
    assert.equal(body.results[0].is_member, true);
    assert.deepEqual(Object.keys(body.results[0]).sort(), [
      'created_at',
      'id',
      'is_member',
      'member_count',
      'name',
    ]);
  });

  test('lists come in pages with links', async () => {
    await database.db.exec(
      `INSERT INTO chat_room (name) SELECT 'paged ' || n FROM generate_series(1, 150) AS n`,
    );
    const first = (await cat.get('/api/search/?q=paged')).body;
    assert.deepEqual(
      [first.count, first.results.length, first.next, first.previous],
      [150, 100, '/api/search/?q=paged&page=2', null],
    );
    const second = (await cat.get(first.next)).body;
    assert.deepEqual(
      [second.results.length, second.next, second.previous],
      [50, null, '/api/search/?q=paged&page=1'],
    );
    for (const page of ['0', 'x', '-1', '999999'])
      assert.equal((await cat.get(`/api/rooms/?page=${page}`)).status, 404);
  });

  test('rooms are listed by their last message, newest first', async () => {
    const [one, two] = [await newRoom(), await newRoom()];
    await ann.post(`/api/rooms/${one}/messages/`, { content: 'up' });
    const { results } = (await ann.get('/api/rooms/')).body;
    assert.deepEqual(
      results.slice(0, 2).map(({ id }: { id: number }) => id),
      [one, two],
    );
    assert.deepEqual(results[0].last_message.content, 'up');
  });
});
