import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkCondition } from '../../../src/push/providers/native-target.ts';

const read = (text: string) => {
  const topics: string[] = [];
  checkCondition(text, 'recipient.fcm_condition', (topic) => topics.push(topic));
  return topics;
};

describe('a condition over topics', () => {
  for (const [text, topics] of [
    ["'a' in topics", ['a']],
    ["'a' in topics && 'b' in topics", ['a', 'b']],
    ["  'a'  in  topics||'b' in topics ", ['a', 'b']],
    ["'a' in topics && ('b' in topics || 'c' in topics)", ['a', 'b', 'c']],
    ["!('a' in topics) && !!'b' in topics", ['a', 'b']],
    ["(('a' in topics))", ['a']],
    ["'in' in topics && 'topics' in topics", ['in', 'topics']],
  ] as const) {
    it(`may be ${text}`, () => assert.deepEqual(read(text), topics));
  }

  for (const [text, words] of [
    ['', /a topic in single quotes .* is missing at the end/],
    ["'a'", /"in topics" is missing at the end/],
    ["'a' in", /"in topics" is missing at the end/],
    ["'a' in topic", /cannot be read at character 7/],
    ["'a' in topics &&", /a topic .* is missing at the end/],
    ["'a' in topics & 'b' in topics", /cannot be read at character 14/],
    ["'a' in topics 'b' in topics", /&& or \|\| is missing at character 14/],
    ["('a' in topics", /a closing parenthesis is missing at the end/],
    ["'a' in topics)", /&& or \|\| is missing at character 14/],
    ['"a" in topics', /cannot be read at character 1/],
    ["'a in topics", /cannot be read at character 1/],
    ['a in topics', /cannot be read at character 1/],
    [Array(6).fill("'a' in topics").join(' || '), /at most 5 topics, got 6/],
  ] as const) {
    it(`may not be ${text || 'empty'}, and the words say where`, () => {
      assert.throws(
        () => read(text),
        (error: Error) => {
          assert.match(error.message, /recipient\.fcm_condition/);
          assert.match(error.message, words);
          return true;
        },
      );
    });
  }

  it('of nothing but parentheses is refused without harm', () => {
    assert.throws(() => read('('.repeat(2_048)), /is missing at the end/);
  });
});
