import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { RecordsBatch } from '@platformatic/kafka';
import { commandOf } from '../../src/consumers/kafka/record-command.ts';
import { type KafkaItem, visibleRecords } from '../../src/consumers/kafka/records.ts';
import { kafkaOptions } from './kafka-support.ts';

const PLACE = { partition: 'news/3', position: '7' };

function item(value: string | Buffer | null, headers: Record<string, string> = {}): KafkaItem {
  return {
    offset: 7n,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: Object.entries(headers).map(([key, text]) => [Buffer.from(key), Buffer.from(text)]),
  };
}

const plain = kafkaOptions({});
const dataMode = kafkaOptions({ publication_data_mode: { enabled: true } });

suite('records of Kafka as commands', () => {
  test('the value is the command, or the bare request where a header names the method', () => {
    const text = '{"method":"publish","payload":{}}';
    assert.deepEqual(commandOf(item(text), PLACE, plain), { ...PLACE, method: '', body: text });
    assert.deepEqual(commandOf(item('{}', { 'centrifugo-method': 'refresh' }), PLACE, plain), {
      ...PLACE,
      method: 'refresh',
      body: '{}',
    });
    const renamed = kafkaOptions({ method_header: 'm' });
    const headers = { 'centrifugo-method': 'no', M: 'no', m: 'publish' };
    assert.equal((commandOf(item('{}', headers), PLACE, renamed) as { method: string }).method, 'publish');
    const off = kafkaOptions({ method_header: '' });
    assert.equal((commandOf(item('{}', { '': 'publish' }), PLACE, off) as { method: string }).method, '');
  });

  test('a tombstone and null ask for nothing, in both modes', () => {
    for (const options of [plain, dataMode])
      for (const value of [null, 'null'])
        assert.deepEqual(commandOf(item(value), PLACE, options), { skipped: '' });
  });

  test('in publication data mode headers say where the value goes, and how', () => {
    const headers = {
      'centrifugo-channels': 'news',
      'centrifugo-idempotency-key': 'k1',
      'centrifugo-delta': 'True',
      'centrifugo-version': '12',
      'centrifugo-version-epoch': 'e',
      'centrifugo-tag-kind': 'score',
      'centrifugo-tag-__proto__': 'x',
      'centrifugo-method': 'disconnect',
      other: 'ignored',
    };
    assert.deepEqual(commandOf(item('{"a":1}', headers), PLACE, dataMode), {
      ...PLACE,
      method: 'publish',
      body: {
        channel: 'news',
        data: { a: 1 },
        idempotency_key: 'k1',
        delta: true,
        version: 12,
        version_epoch: 'e',
        tags: Object.fromEntries([
          ['kind', 'score'],
          ['__proto__', 'x'],
        ]),
      },
    });
    assert.deepEqual(commandOf(item('[1]', { 'centrifugo-channels': 'a, b' }), PLACE, dataMode), {
      ...PLACE,
      method: 'broadcast',
      body: { channels: ['a', ' b'], data: [1] },
    });
    assert.deepEqual(commandOf(item('1', { 'centrifugo-channels': '' }), PLACE, dataMode), {
      skipped: 'no header centrifugo-channels',
    });
  });

  test('the first header of a name counts', () => {
    const twice: KafkaItem = {
      ...item('1'),
      headers: [
        [Buffer.from('centrifugo-channels'), Buffer.from('a')],
        [Buffer.from('centrifugo-channels'), Buffer.from('b')],
      ],
    };
    assert.deepEqual((commandOf(twice, PLACE, dataMode) as { body: unknown }).body, {
      channel: 'a',
      data: 1,
    });
  });

  for (const [title, value, headers, options, problem] of [
    [
      'a delta that is no boolean',
      '1',
      { 'centrifugo-delta': 'yes' },
      dataMode,
      /centrifugo-delta is "yes": allowed is true or false/,
    ],
    [
      'a negative version',
      '1',
      { 'centrifugo-version': '-1' },
      dataMode,
      /centrifugo-version is "-1": allowed is a whole number/,
    ],
    [
      'a version beyond 64 bits',
      '1',
      { 'centrifugo-version': '18446744073709551616' },
      dataMode,
      /allowed is a whole number/,
    ],
    ['data that is no JSON', '{', {}, dataMode, /the value is not valid JSON/],
    ['bytes that are no text', Buffer.from([0xff]), {}, plain, /not UTF-8/],
    [
      'a converter that writes schemas',
      '{"schema":{},"payload":{}}',
      {},
      plain,
      /value\.converter\.schemas\.enable to false/,
    ],
    [
      'a whole change event',
      '{"before":null,"after":{},"op":"c"}',
      {},
      plain,
      /ExtractField\$Value with field "after"/,
    ],
  ] as const) {
    test(`${title} is a problem in words`, () => {
      const record = item(value, { 'centrifugo-channels': 'a', ...headers });
      const command = commandOf(record, PLACE, options);
      assert.match((command as { problem: string }).problem, problem);
    });
  }
});

suite('records that a reader may see', () => {
  const batch = (firstOffset: number, offsets: number[], extra: Partial<RecordsBatch> = {}): RecordsBatch =>
    ({
      firstOffset: BigInt(firstOffset),
      lastOffsetDelta: (offsets.at(-1) ?? firstOffset) - firstOffset,
      attributes: 0,
      producerId: -1n,
      records: offsets.map((offset) => ({ offsetDelta: offset - firstOffset, value: null, headers: [] })),
      ...extra,
    }) as RecordsBatch;
  const transactional = { attributes: 0b10000, producerId: 5n };
  const marker = (offset: number, type: number): RecordsBatch =>
    batch(offset, [offset], {
      attributes: 0b110000,
      producerId: 5n,
      records: [{ key: Buffer.from([0, 0, 0, type]), offsetDelta: 0, headers: [] }] as never,
    });
  const offsets = (batches: RecordsBatch[], from: number, aborted: [bigint, bigint][] = []) => {
    const result = visibleRecords(
      batches,
      BigInt(from),
      aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset })),
    );
    return { at: result.items.map(({ offset }) => Number(offset)), next: Number(result.next) };
  };

  test('those before the offset asked for are left out, gaps are passed over', () => {
    assert.deepEqual(offsets([batch(10, [10, 11, 14])], 11), { at: [11, 14], next: 15 });
    assert.deepEqual(offsets([], 11), { at: [], next: 11 });
  });

  test('an aborted transaction is left out up to its marker, also without one in sight', () => {
    const first = batch(0, [0, 1], transactional);
    const aborted: [bigint, bigint][] = [[5n, 0n]];
    assert.deepEqual(offsets([first, marker(2, 0), batch(3, [3], transactional), marker(4, 1)], 0, aborted), {
      at: [3],
      next: 5,
    });
    assert.deepEqual(offsets([first], 0, aborted), { at: [], next: 2 });
  });

  test('two aborted transactions of one producer in a row are both left out, others between them are not', () => {
    const batches = [
      batch(0, [0], transactional),
      marker(1, 0),
      batch(2, [2]),
      batch(3, [3], transactional),
      marker(4, 0),
      batch(5, [5], { ...transactional, producerId: 6n }),
    ];
    const aborted: [bigint, bigint][] = [
      [5n, 3n],
      [5n, 0n],
    ];
    assert.deepEqual(offsets(batches, 0, aborted), { at: [2, 5], next: 6 });
  });
});
