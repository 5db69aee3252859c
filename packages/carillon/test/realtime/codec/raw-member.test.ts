import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { jsonCodec } from '../../../src/realtime/codec/json.ts';
import { rawMember } from '../../../src/realtime/codec/raw-member.ts';
import { payloadIn } from '../../../src/realtime/commands.ts';
import { RawJson } from '../../../src/realtime/payload.ts';

const member = (text: string, name: string) => {
  const found = rawMember(text, text.indexOf('{'), name);
  return found && text.slice(...found);
};

suite('raw members of JSON', () => {
  test('any member of any object is found as it was written', () => {
    const key = fc.oneof(fc.constantFrom('data', 'publish', '', '"', '\\', '{', 'a"b'), fc.string());
    const space = fc.constantFrom(undefined, 1, '\t', ' \r\n');
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), space, (object, indent) => {
        const text = JSON.stringify(object, undefined, indent);
        for (const [name, value] of Object.entries(object)) {
          const raw = member(text, name);
          assert.ok(raw !== undefined, `${name} in ${text}`);
          assert.deepEqual(JSON.parse(raw), JSON.parse(JSON.stringify(value)));
        }
        if (!Object.hasOwn(object, 'missing')) assert.equal(member(text, 'missing'), undefined);
      }),
      { numRuns: 1_000 },
    );
  });

  test('escapes in names and doubled names count as they do for JSON.parse', () => {
    assert.equal(member(String.raw`{"d\u0061ta": 1 }`, 'data'), '1');
    assert.equal(member('{"data":1,"x":{"data":3},"data":"}\\\\"}', 'data'), String.raw`"}\\"`);
    assert.equal(member(String.raw`{"\\\"":1,"\"":2}`, String.raw`\"`), '1');
    assert.equal(member('  { }', 'data'), undefined);
  });

  test('data come through as the client wrote them: large numbers, depth, space', () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    for (const data of ['12345678901234567890', '1.0', '{"b": 1,  "a":1e400}', deep]) {
      const [command] = jsonCodec.decode(
        Buffer.from(`{"id":1, "publish" : {"channel":"c","data": ${data} }}`),
      );
      const payload = command && payloadIn(command.request, 'data');
      assert.ok(payload instanceof RawJson);
      assert.equal(payload.text, data);
    }
  });
});
