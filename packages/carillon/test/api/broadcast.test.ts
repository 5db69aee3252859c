import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Dispatcher } from '../../src/api/dispatch.ts';
import { publishMethods } from '../../src/api/methods/realtime-publish.ts';
import { resolveConfig } from '../../src/config/load.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { OnPublished } from '../../src/realtime/broker.ts';
import { memoryEngine } from '../../src/realtime/engine.ts';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { createRealtime } from '../../src/realtime/realtime.ts';
import { memoryDatabase } from '../support/database.ts';
import { silent } from '../support/realtime.ts';
import { startServer } from '../support/server.ts';

const CHANNEL = {
  namespaces: [
    { name: 'kept', history_size: 10, history_ttl: '60s' },
    { name: 'plain' },
    { name: 'objects', publication_data_format: 'json_object', history_size: 10, history_ttl: '60s' },
  ],
};
const MIXED = ['plain:1', 'kept:1', 'nowhere:1', 'kept:2', '', 'objects:1', 'kept:1'];

/** A broker that cannot store anything in channels of one name. */
class HalfBroker extends MemoryBroker {
  override async publishMany(
    channels: readonly string[],
    ...[message, options, onPublished]: [never, never, OnPublished?]
  ): Promise<void> {
    const error = new UnavailableError('Redis', new Error('gone'));
    await super.publishMany(channels, message, options, (index, outcome) =>
      onPublished?.(index, channels[index] === 'kept:2' ? error : outcome),
    );
    if (!onPublished && channels.includes('kept:2')) throw error;
  }
}

function openDispatcher(broker: MemoryBroker) {
  const { config } = resolveConfig({ channel: CHANNEL });
  const realtime = createRealtime({
    config,
    logger: silent,
    nodeName: 'test',
    version: 'test',
    engine: { ...memoryEngine(), broker },
  });
  return { realtime, dispatcher: new Dispatcher(publishMethods(realtime)) };
}

suite('a broadcast', () => {
  test('answers each channel at its place, whatever namespace it is in and whatever becomes of it', async () => {
    const { dispatcher, realtime } = openDispatcher(new HalfBroker());
    const { responses } = (await dispatcher.dispatch('broadcast', { channels: MIXED, data: 1 })) as {
      responses: {
        result?: { offset?: number; epoch?: string };
        error?: { code: number; message: string };
      }[];
    };
    const shown = responses.map(({ result, error }) => error?.code ?? result?.offset ?? result);
    assert.deepEqual(shown, [{}, 1, 102, 100, 107, 107, 2]);
    assert.match(responses[1]?.result?.epoch ?? '', /^[A-Za-z]{8}$/);
    assert.match(responses[5]?.error?.message ?? '', /data: must be a JSON object/);
    await realtime.close();
  });

  test('whose result nobody reads has none, and fails when it is not known to be stored everywhere', async () => {
    const { dispatcher, realtime } = openDispatcher(new HalfBroker());
    const call = { wantsResult: false };
    const without = MIXED.filter((name) => name !== 'kept:2');
    assert.deepEqual(await dispatcher.dispatch('broadcast', { channels: without, data: {} }, call), {});
    const { offset } = await realtime.broker.history(
      'objects:1',
      { limit: 0, reverse: false },
      { size: 10, ttl: 1, metaTtl: 1_000 },
    );
    assert.equal(offset, 1);
    await assert.rejects(
      dispatcher.dispatch('broadcast', { channels: MIXED, data: {} }, call),
      UnavailableError,
    );
    await realtime.close();
  });

  test('of an outbox reaches the channels that there are, and is counted as a consumer’s call', async () => {
    const { db, drop } = await memoryDatabase();
    await db.exec(
      `CREATE TABLE outbox (id bigserial PRIMARY KEY, method text, payload jsonb, partition bigint DEFAULT 0)`,
    );
    const server = await startServer(
      {
        channel: CHANNEL,
        prometheus: { enabled: true },
        consumers: [
          {
            enabled: true,
            name: 'outbox',
            type: 'postgresql',
            postgresql: { outbox_table_name: 'outbox', partition_poll_interval: '20ms' },
          },
        ],
      },
      { db },
    );
    const commands = [
      ['broadcast', { channels: MIXED, data: { n: 1 }, idempotency_key: 'k' }],
      ['no such method', {}],
      ['broadcast', { channels: MIXED, data: { n: 1 }, idempotency_key: 'k' }],
      ['publish', { channel: 'kept:1', data: { n: 2 } }],
    ];
    for (const [method, payload] of commands)
      await db.query('INSERT INTO outbox (method, payload) VALUES ($1, $2::jsonb)', [
        method,
        JSON.stringify(payload),
      ]);
    const left = async () => (await db.query('SELECT id FROM outbox')).length;
    while ((await left()) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const { result } = await server.call('history', { channel: 'kept:1', limit: -1 });
    const { publications } = result as { publications: { data: { n: number } }[] };
    assert.deepEqual(
      publications.map(({ data }) => data.n),
      [1, 2],
    );
    const metrics = await (await fetch(`${server.carillon.url}/metrics`)).text();
    const count = (method: string) =>
      new RegExp(
        `^centrifugo_api_command_duration_seconds_histogram_count{protocol="consuming",method="${method}"} (.*)$`,
        'm',
      ).exec(metrics)?.[1];
    assert.deepEqual([count('broadcast'), count('publish'), count('no such method')], ['2', '1', undefined]);
    await server.close();
    await drop();
  });
});
