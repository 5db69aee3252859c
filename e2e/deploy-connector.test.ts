/** deploy/debezium before a real Kafka Connect with Debezium, and GrandChat's events through all of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { startKafka, type TestKafka } from '../packages/carillon/test/support/kafka.ts';
import { startConnect, type TestConnect } from '../packages/carillon/test/support/kafka-connect.ts';
import { connectEnvironment, DEPLOY } from './support/compose.ts';
import { ModeScene } from './support/mode-scene.ts';
import { missing } from './support/requires.ts';

const FILE = join(DEPLOY, 'debezium', 'connector.json');
const SCRIPT = join(DEPLOY, 'debezium', 'register.mjs');
const CARILLON_FILE = join(DEPLOY, 'carillon-kafka.json');
const { name: NAME } = JSON.parse(readFileSync(FILE, 'utf8')) as { name: string };

const QUIET = 20;
const FAULTY = 30;

suite('the registration of Debezium’s connector', { skip: missing('postgresql', 'kafka') }, () => {
  const closers: (() => unknown)[] = [];
  let kafka: TestKafka;
  let connect: TestConnect;
  let scene: ModeScene;

  before(async () => {
    kafka = await startKafka();
    closers.push(() => kafka.drop());
    const { consumers } = JSON.parse(readFileSync(CARILLON_FILE, 'utf8')) as { consumers: object[] };
    scene = await ModeScene.open({
      env: {
        GRANDCHAT_BROADCAST_MODE: 'cdc',
        CARILLON_CONSUMERS: JSON.stringify(consumers).replace('kafka:9092', kafka.broker),
      },
    });
    closers.push(() => scene.close());
    connect = await startConnect(kafka.broker, connectEnvironment(scene.postgres.dsn));
    closers.push(() => connect.drop());
  });
  after(async () => {
    for (const closer of closers.reverse()) await closer();
  });

  const connectors = async () => (await (await fetch(`${connect.url}/connectors`)).json()) as string[];

  test('can be repeated, changes nothing then, and shows no password', async () => {
    await scene.write(0);
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

  test('brings every event of GrandChat’s over Kafka to WebSockets and a device, once and in order, those from before it, too', async () => {
    for (let n = 1; n < QUIET; n++) await scene.write(n);
    await scene.visit('eve');
    await scene.assertScreens(4);
    // Besides messages and the visit: three people have joined, before there was a connector.
    const heard = scene.watchers.map(({ events }) =>
      events.findIndex(({ type }) => type === 'message_added'),
    );
    await scene.untilWire(heard, QUIET + 2);
    scene.assertWire(heard, scene.written, 2);
    await scene.assertPushes();
  });

  test('loses nothing when Kafka, Connect, PostgreSQL, GrandChat and Carillon are killed while people write', async (t) => {
    const faults = [
      () => restart(connect),
      () => restart(kafka),
      () => scene.killCarillon(),
      () => scene.killPostgres(),
      () => scene.killGrandChat(),
    ];
    for (const fault of faults) await scene.writeDuring(fault, FAULTY);
    await scene.visit('fay');
    await scene.assertScreens(4);
    const { doubled } = await scene.assertPushes();
    t.diagnostic(
      `${scene.written.length} messages, ${faults.length} kills: lost 0, pushes doubled ${doubled}`,
    );
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

async function restart(service: { kill(): Promise<void>; start(): Promise<void> }): Promise<void> {
  await service.kill();
  await service.start();
}
