import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { linkify } from '../src/components/linkify.ts';

const links = (text: string) => linkify(text).flatMap(({ href }) => href ?? []);

suite('links in messages', () => {
  test('http and https addresses become links, and the rest stays as it was', () => {
    const text = 'see https://example.org/a?b=c#d and http://localhost:9000/x, please';
    assert.deepEqual(linkify(text), [
      { text: 'see ' },
      { text: 'https://example.org/a?b=c#d', href: 'https://example.org/a?b=c#d' },
      { text: ' and ' },
      { text: 'http://localhost:9000/x', href: 'http://localhost:9000/x' },
      { text: ', please' },
    ]);
  });

  test('what ends the sentence is not of the link, a bracket that opened in it is', () => {
    assert.deepEqual(links('(https://example.org/a).'), ['https://example.org/a']);
    assert.deepEqual(links('https://en.wikipedia.org/wiki/Bell_(instrument)!'), [
      'https://en.wikipedia.org/wiki/Bell_(instrument)',
    ]);
    assert.deepEqual(links('"https://example.org/a"?!'), ['https://example.org/a']);
  });

  test('no other scheme becomes a link', () => {
    for (const text of [
      'javascript:alert(1)',
      'data:text/html,<script>',
      'JAVASCRIPT://%0aalert(1)',
      'vbscript:x',
      'file:///etc/passwd',
      'https://',
      'http://[',
    ]) {
      assert.deepEqual(linkify(text), [{ text }]);
    }
  });

  test('nothing is lost or added, and long texts are quick', () => {
    for (const text of [
      '',
      'a',
      `${'('.repeat(5_000)}https://e.org/${')'.repeat(5_000)}`,
      'https://a https://a',
    ]) {
      const started = performance.now();
      assert.equal(
        linkify(text)
          .map((piece) => piece.text)
          .join(''),
        text,
      );
      assert.ok(performance.now() - started < 500);
    }
  });
});
