import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { jsonCodec } from '../../../src/realtime/codec/json.ts';
import { protobufCodec } from '../../../src/realtime/codec/protobuf.ts';
import { CLIENT_PROTOCOL } from '../../../src/realtime/codec/schema.ts';
import { Disconnect } from '../../../src/realtime/codes.ts';
import type { Command } from '../../../src/realtime/commands.ts';
import { RawBytes, RawJson } from '../../../src/realtime/payload.ts';

const { root } = protobuf.parse(CLIENT_PROTOCOL, { keepCase: true });
const CommandType = root.lookupType('Command');
const ReplyType = root.lookupType('Reply');

const text = fc.string({ unit: 'binary', maxLength: 40 });
const id = fc.integer({ min: 1, max: 0xffff_ffff });
const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const map = fc.dictionary(text, text, { minKeys: 1, maxKeys: 5 });
/** Commands with every field set, so that both encodings say the same. */
const command = fc.oneof(
  fc.record({ id, subscribe: fc.record({ channel: text, recover: fc.constant(true), offset, epoch: text }) }),
  fc.record({ id, publish: fc.record({ channel: text }) }),
  fc.record({ id, history: fc.record({ channel: text, limit: fc.integer({ min: -5, max: 5 }) }) }),
  fc.record({ id, connect: fc.record({ token: text, headers: map }) }),
  fc.constant({}),
);
const publication = fc.record({
  data: fc.jsonValue().map((value) => RawJson.of(value)),
  offset,
  tags: map,
  info: fc.record({ user: text, client: text }),
});
const reply = fc.oneof(
  fc.record({ push: fc.record({ channel: text, pub: publication }) }),
  fc.record({
    id,
    subscribe: fc.record({ epoch: text, offset, publications: fc.array(publication, { maxLength: 3 }) }),
  }),
  fc.record({
    id,
    error: fc.record({ code: fc.nat({ max: 2000 }), message: text, temporary: fc.boolean() }),
  }),
  fc.constant({}),
);

function decodeOrCode(codec: typeof jsonCodec, frame: Buffer): Command[] | number {
  try {
    return codec.decode(frame);
  } catch (error) {
    assert.ok(error instanceof Disconnect, `a Disconnect, not ${error}`);
    return error.code;
  }
}

suite('codecs', () => {
  test('the same commands are read from both encodings, several in a frame', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 5 }), (commands) => {
        const json = Buffer.from(commands.map((item) => JSON.stringify(item)).join('\n'));
        const binary = Buffer.concat(
          commands.map((item) => CommandType.encodeDelimited(CommandType.fromObject(item)).finish()),
        );
        const read = [protobufCodec.decode(binary), jsonCodec.decode(json)] as const;
        const [ofBinary, ofJson] = read.map((found) => found.map(({ bytes: _, ...item }) => canonical(item)));
        assert.deepEqual(ofBinary, ofJson);
        const sizes = read.map((found) => found.reduce((sum, { bytes }) => sum + bytes, 0));
        assert.deepEqual(sizes, [binary.length, json.length - (commands.length - 1)]);
      }),
    );
  });

  test('the same replies can be read back from both encodings', () => {
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 4 }), (replies) => {
        const frame = protobufCodec.frame(replies.map((item) => protobufCodec.encode(item))) as Buffer;
        const reader = protobuf.Reader.create(frame);
        const lines = (jsonCodec.frame(replies.map((item) => jsonCodec.encode(item))) as string).split('\n');
        assert.equal(lines.length, replies.length);
        for (const line of lines) {
          const object = ReplyType.toObject(ReplyType.decodeDelimited(reader), {
            longs: Number,
            bytes: String,
          });
          assert.equal(canonical(object), canonical(withBase64(JSON.parse(line))));
        }
        assert.equal(reader.pos, reader.len);
      }),
    );
  });

  test('any bytes are commands or 3501, and nothing else', () => {
    for (const codec of [jsonCodec, protobufCodec]) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
          const result = decodeOrCode(codec, Buffer.from(bytes));
          assert.ok(result === 3501 || (Array.isArray(result) && result.length > 0));
        }),
        { numRuns: 1000 },
      );
    }
  });

  test('a good frame with some bytes changed, cut off or added is commands or 3501', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(command, { minLength: 1, maxLength: 3 }),
        fc.array(change, { maxLength: 4 }),
        fc.integer({ min: -4, max: 4 }),
        (commands, changes, growth) => {
          for (const codec of [jsonCodec, protobufCodec]) {
            const good =
              codec === jsonCodec
                ? Buffer.from(commands.map((item) => JSON.stringify(item)).join('\n'))
                : Buffer.concat(
                    commands.map((item) =>
                      CommandType.encodeDelimited(CommandType.fromObject(item)).finish(),
                    ),
                  );
            const frame = Buffer.alloc(Math.max(0, good.length + growth));
            good.copy(frame);
            for (const { at, byte } of changes) if (frame.length > 0) frame[at % frame.length] = byte;
            const result = decodeOrCode(codec, frame);
            assert.ok(result === 3501 || Array.isArray(result));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('nesting without end is refused', () => {
    let filter = Buffer.alloc(0);
    for (let depth = 0; depth < 10_000; depth++) {
      filter = Buffer.concat([Buffer.from([0x32]), varint(filter.length), filter]);
    }
    const request = Buffer.concat([Buffer.from([0x6a]), varint(filter.length), filter]);
    const whole = Buffer.concat([Buffer.from([0x08, 1, 0x2a]), varint(request.length), request]);
    assert.equal(decodeOrCode(protobufCodec, Buffer.concat([varint(whole.length), whole])), 3501);
    const json = `{"id":1,"subscribe":{"tf":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`;
    const decoded = decodeOrCode(jsonCodec, Buffer.from(json));
    assert.ok(decoded === 3501 || Array.isArray(decoded));
  });

  test('text that is not UTF-8 is refused in both', () => {
    const json = Buffer.from('{"id":1,"subscribe":{"channel":"x"}}');
    json[json.indexOf('x')] = 0xff;
    assert.equal(decodeOrCode(jsonCodec, json), 3501);
    assert.equal(decodeOrCode(protobufCodec, Buffer.from([7, 8, 1, 0x2a, 3, 0x0a, 1, 0xff])), 3501);
    assert.ok(Array.isArray(decodeOrCode(protobufCodec, Buffer.from([7, 8, 1, 0x2a, 3, 0x0a, 1, 0x61]))));
  });

  test('a ping is {} in JSON and a single zero byte in Protobuf, and so is a pong', () => {
    assert.equal(jsonCodec.encode({}), '{}');
    assert.deepEqual(protobufCodec.encode({}), Buffer.from([0]));
    for (const [codec, pong] of [
      [jsonCodec, Buffer.from('{}')],
      [protobufCodec, Buffer.from([0])],
    ] as const) {
      assert.deepEqual(codec.decode(pong), [{ id: 0, name: undefined, request: {}, bytes: pong.length }]);
    }
  });

  test('a payload keeps to one line of JSON, and bytes that are no JSON are refused with 3506', () => {
    const push = (data: RawJson | RawBytes) => ({ push: { channel: 'c', pub: { data } } });
    assert.equal(
      jsonCodec.encode(push(new RawJson('{"a":\r\n1}'))),
      '{"push":{"channel":"c","pub":{"data":{"a":1}}}}',
    );
    assert.throws(() => jsonCodec.encode(push(new RawBytes(Buffer.from([1])))), { code: 3506 });
  });
});

function varint(value: number): Buffer {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

/** Payloads as protobufjs shows bytes. */
function withBase64(value: unknown, key?: string): unknown {
  if (key === 'data') return Buffer.from(JSON.stringify(value)).toString('base64');
  if (Array.isArray(value)) return value.map((item) => withBase64(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withBase64(member, name)]));
}

/** Sorted, and without what Protobuf leaves out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member) => {
    if (member === 0 || member === '' || member === false) return undefined;
    if (Array.isArray(member)) return member.length === 0 ? undefined : member;
    if (typeof member !== 'object' || member === null) return member;
    const entries = Object.entries(member).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
