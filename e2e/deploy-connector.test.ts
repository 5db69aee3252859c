/** deploy/debezium before a real Kafka Connect with Debezium, and GrandChat's events through all of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import pg from 'pg';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { startKafka, type TestKafka } from '../packages/carillon/test/support/kafka.ts';
import { startConnect, type TestConnect } from '../packages/carillon/test/support/kafka-connect.ts';
import { DEPLOY } from './support/compose.ts';
import { Person } from './support/person.ts';
import { type PushSink, startPushSink } from './support/push-sink.ts';
import { missing } from './support/requires.ts';
import { type Stack, startStack } from './support/stack.ts';
import { Watcher } from './support/watcher.ts';

const FILE = join(DEPLOY, 'debezium', 'connector.json');
const SCRIPT = join(DEPLOY, 'debezium', 'register.mjs');
const CARILLON_FILE = join(DEPLOY, 'carillon-kafka.json');
const { name: NAME } = JSON.parse(readFileSync(FILE, 'utf8')) as { name: string };
const SLOT = 'grandchat_cdc';

suite('the registration of Debezium’s connector', { skip: missing('postgresql', 'kafka') }, () => {
  const closers: (() => unknown)[] = [];
  let kafka: TestKafka;
  let connect: TestConnect;
  let sink: PushSink;
  let stack: Stack;
  let ann: Person;
  let room: number;
  let screen: Watcher;

  before(async () => {
    const { dsn, drop } = await createPostgresDatabase();
    closers.push(() => dropWithSlot(dsn, drop));
    sink = await startPushSink();
    closers.push(() => sink.close());
    kafka = await startKafka();
    closers.push(() => kafka.drop());
    const { hostname, port, username, pathname } = new URL(dsn);
    connect = await startConnect(kafka.broker, {
      DATABASE_HOST: hostname,
      DATABASE_PORT: port,
      DATABASE_USER: username,
      DATABASE_PASSWORD: 'of no use here',
      DATABASE_NAME: pathname.slice(1),
    });
    closers.push(() => connect.drop());
    const { consumers } = JSON.parse(readFileSync(CARILLON_FILE, 'utf8')) as { consumers: object[] };
    stack = await startStack({
      dsn,
      env: {
        GRANDCHAT_BROADCAST_MODE: 'cdc',
        CARILLON_CONSUMERS: JSON.stringify(consumers).replace('kafka:9092', kafka.broker),
        CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
      },
    });
    closers.push(() => stack.close());
    ann = await Person.signUp(stack.origin, 'ann');
    const bob = await Person.signUp(stack.origin, 'bob');
    room = await ann.createRoom('Through Kafka');
    await bob.join(room);
    await bob.post('/api/device/register/', {
      device: { provider: 'webpush', platform: 'web', token: sink.subscription('bob') },
    });
    screen = await Watcher.open(bob, room);
    closers.push(() => screen.close());
  });
  after(async () => {
    for (const closer of closers.reverse()) await closer();
  });

  const connectors = async () => (await (await fetch(`${connect.url}/connectors`)).json()) as string[];

  test('can be repeated, changes nothing then, and shows no password', async () => {
    await ann.write(room, 'before there is a connector');
    assert.deepEqual(await register(connect.url, FILE), {
      code: 0,
      words: `connector ${NAME}: made, and running`,
    });
    assert.deepEqual(await register(connect.url, FILE), {
      code: 0,
      words: `connector ${NAME}: up to date, and running`,
    });
    assert.deepEqual(await connectors(), [NAME]);
    const config = await (await fetch(`${connect.url}/connectors/${NAME}/config`)).text();
    assert.doesNotMatch(config, /of no use here/);
  });

  test('brings every event of GrandChat’s over Kafka to a WebSocket and a device, once and in order, those from before it, too', async () => {
    await ann.write(room, 'with the connector');
    const arrived = () =>
      screen.events.flatMap((event) => (event.type === 'message_added' ? [event.body.content] : []));
    await screen.until(() => arrived().length >= 2);
    assert.deepEqual(arrived(), ['before there is a connector', 'with the connector']);
    while (sink.pushes.length < 2) await sink.next();
    assert.deepEqual(sink.pushes.map(({ payload }) => payload.notification.data.text).sort(), [
      'before there is a connector',
      'with the connector',
    ]);
  });

  test('is undone under the same name, and that can be repeated, too', async () => {
    assert.deepEqual(await register(connect.url, FILE, '--remove'), {
      code: 0,
      words: `connector ${NAME}: removed`,
    });
    assert.deepEqual(await connectors(), []);
    assert.deepEqual(await register(connect.url, FILE, '--remove'), {
      code: 0,
      words: `connector ${NAME}: was not there`,
    });
  });

  test('ends with Kafka Connect’s words when the configuration is wrong', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'connector-'));
    try {
      const wrong = join(folder, 'connector.json');
      await writeFile(
        wrong,
        JSON.stringify({ name: 'wrong', config: { 'connector.class': 'NoSuchConnector' } }),
      );
      const { code, words } = await register(connect.url, wrong);
      assert.equal(code, 1);
      assert.match(words, /connector wrong: .*NoSuchConnector/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function register(url: string, ...args: string[]): Promise<{ code: number; words: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env: { CONNECT_URL: url } });
  let words = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      words += chunk;
    });
  const [code] = await once(child, 'close');
  return { code, words: words.trim() };
}

/** A database with a slot on it cannot be dropped. */
async function dropWithSlot(dsn: string, drop: () => Promise<void>): Promise<void> {
  const database = new pg.Client({ connectionString: dsn });
  await database.connect();
  try {
    // The server notices a moment later that a reader is gone.
    const free = 'FROM pg_replication_slots WHERE slot_name = $1';
    while ((await database.query(`SELECT 1 ${free} AND active`, [SLOT])).rows.length > 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await database.query(`SELECT pg_drop_replication_slot(slot_name) ${free}`, [SLOT]);
  } finally {
    await database.end();
  }
  await drop();
}
