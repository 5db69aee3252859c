/** deploy/debezium before a real Kafka Connect with Debezium. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import pg from 'pg';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { startKafka, type TestKafka } from '../packages/carillon/test/support/kafka.ts';
import { startConnect, type TestConnect } from '../packages/carillon/test/support/kafka-connect.ts';
import { DEPLOY } from './support/compose.ts';
import { missing } from './support/requires.ts';

const FILE = join(DEPLOY, 'debezium', 'connector.json');
const SCRIPT = join(DEPLOY, 'debezium', 'register.mjs');
const { name: NAME } = JSON.parse(readFileSync(FILE, 'utf8')) as { name: string };

suite('the registration of Debezium’s connector', { skip: missing('postgresql', 'kafka') }, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let kafka: TestKafka;
  let connect: TestConnect;
  let database: pg.Client;

  before(async () => {
    const { dsn, drop } = await createPostgresDatabase();
    const { hostname, port, username, pathname } = new URL(dsn);
    database = new pg.Client({ connectionString: dsn });
    await database.connect();
    await database.query(
      'CREATE TABLE chat_cdc (id bigserial PRIMARY KEY, method text NOT NULL, payload json NOT NULL, partition bigint NOT NULL)',
    );
    closers.push(async () => {
      await database.query(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'grandchat_cdc' AND NOT active",
      );
      await database.end();
      await drop();
    });
    kafka = await startKafka();
    closers.push(() => kafka.drop());
    connect = await startConnect(kafka.broker, {
      DATABASE_HOST: hostname,
      DATABASE_PORT: port,
      DATABASE_USER: username,
      DATABASE_PASSWORD: 'of no use here',
      DATABASE_NAME: pathname.slice(1),
    });
    closers.push(() => connect.drop());
  });
  after(async () => {
    for (const closer of closers.reverse()) await closer();
  });

  const write = (n: number) =>
    database.query("INSERT INTO chat_cdc (method, payload, partition) VALUES ('publish', $1, 3)", [
      JSON.stringify({ channel: 'personal:1', data: { n } }),
    ]);
  const connectors = async () => (await (await fetch(`${connect.url}/connectors`)).json()) as string[];

  test('can be repeated, changes nothing then, and shows no password', async () => {
    await write(1);
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

  test('brings each row of chat_cdc as one record with its key, method and payload, those from before it, too', async () => {
    const consumer = new Consumer({
      clientId: 'test',
      groupId: 'test',
      bootstrapBrokers: [kafka.broker],
      deserializers: stringDeserializers,
    });
    try {
      await write(2);
      const stream = await consumer.consume({ topics: ['postgres.public.chat_cdc'], mode: 'earliest' });
      const records: { key: string; value: string }[] = [];
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('data', (record) => {
          if (records.push(record) === 2) resolve();
        });
      });
      await stream.close();
      records.forEach(({ key, value }, index) => {
        assert.deepEqual(JSON.parse(key), { partition: 3 });
        const { method, payload } = JSON.parse(value) as { method: string; payload: string };
        assert.equal(method, 'publish');
        assert.deepEqual(JSON.parse(payload), { channel: 'personal:1', data: { n: index + 1 } });
      });
    } finally {
      await consumer.close(true);
    }
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
