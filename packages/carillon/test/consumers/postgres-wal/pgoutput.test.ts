import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLsn, parseLsn } from '../../../src/consumers/postgres-wal/lsn.ts';
import { decodeFrame, encodeStatus } from '../../../src/consumers/postgres-wal/pgoutput.ts';

/** A frame `w`: start 0/1000, end 0/2000, some time; then the message. */
const data = (message: string) => bytes(`77 0000000000001000 0000000000002000 00027c21a2b3c4d5 ${message}`);
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const text = (value: string) => Buffer.from(value).toString('hex');

test('a place in the log is written as PostgreSQL writes it', () => {
  assert.equal(formatLsn(0x16b374d848n), '16/B374D848');
  assert.equal(parseLsn('16/B374D848'), 0x16b374d848n);
  assert.equal(parseLsn('FFFFFFFF/FFFFFFFF'), 2n ** 64n - 1n);
  assert.throws(() => parseLsn('16'), /no place in the log/);
});

test('begin and commit say where the transaction stands', () => {
  assert.deepEqual(decodeFrame(data('42 0000001600000010 00027c21a2b3c4d5 000002f1')), {
    kind: 'data',
    message: { kind: 'begin', lsn: 0x1600000010n },
  });
  assert.deepEqual(decodeFrame(data('43 00 0000001600000010 0000001600000040 00027c21a2b3c4d5')), {
    kind: 'data',
    message: { kind: 'commit', endLsn: 0x1600000040n },
  });
});

test('a relation has names and types of its columns', () => {
  const columns = `01 ${text('id')}00 00000014 ffffffff 00 ${text('payload')}00 00000eda ffffffff`;
  assert.deepEqual(
    decodeFrame(data(`52 00004001 ${text('public')}00 ${text('outbox')}00 64 0002 ${columns}`)),
    {
      kind: 'data',
      message: {
        kind: 'relation',
        id: 0x4001,
        schema: 'public',
        table: 'outbox',
        columns: [
          { name: 'id', type: 20 },
          { name: 'payload', type: 3802 },
        ],
      },
    },
  );
});

test('an insert has text, null, and nothing where the server left a value out', () => {
  const long = 'ü'.repeat(300);
  const length = Buffer.byteLength(long).toString(16).padStart(8, '0');
  assert.deepEqual(
    decodeFrame(data(`49 00004001 4e 0005 74 00000001 37 6e 75 74 00000000 74 ${length} ${text(long)}`)),
    { kind: 'data', message: { kind: 'insert', relation: 0x4001, values: ['7', null, undefined, '', long] } },
  );
});

test('updates, deletes, truncates, origins and types are told apart from what counts, and passed over', () => {
  for (const tag of ['55', '44', '54', '4f', '59', '4d'])
    assert.deepEqual(decodeFrame(data(`${tag} 00004001`)), { kind: 'data', message: { kind: 'other' } });
});

test('a keepalive says how far the server has looked, and whether it waits for an answer', () => {
  assert.deepEqual(decodeFrame(bytes('6b 0000001600000010 00027c21a2b3c4d5 01')), {
    kind: 'keepalive',
    walEnd: 0x1600000010n,
    replyNow: true,
  });
});

test('bytes that are no frame, or that end too early, are refused', () => {
  assert.throws(() => decodeFrame(bytes('7a00')), /begins with "z"/);
  const insert = data('49 00004001 4e 0001 74 00000005 68656c6c6f');
  for (let length = 26; length < insert.length; length++)
    assert.throws(() => decodeFrame(insert.subarray(0, length)), RangeError, `${length} bytes`);
});

test('a status tells what was received and what is confirmed, with the time since 2000', () => {
  const now = Date.UTC(2000, 0, 1, 0, 0, 1);
  assert.deepEqual(
    encodeStatus(0x1600000040n, 0x1600000010n, { ping: true, now }),
    bytes('72 0000001600000040 0000001600000010 0000001600000010 00000000000f4240 01'),
  );
});
