import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseTranslations, compileMessage, variablesFor } from '../../src/push/send/rendering.ts';
import { parseTemplate, TemplateError } from '../../src/push/send/template.ts';

const VARIABLES = {
  device: { id: 'webpush-1', user: '42', meta: { first_name: 'Ann', empty: '' } },
  l10n: { greeting: 'Olá' },
};

test('renders variables, fallbacks and texts as documented', () => {
  const cases: [template: string, text: string][] = [
    ['plain', 'plain'],
    ['Hello {{.device.meta.first_name}}!', 'Hello Ann!'],
    ['{{ .device.id }}/{{.device.user}}', 'webpush-1/42'],
    ['{{default [[hello]] .l10n.greeting}}!', 'Olá!'],
    ['{{default [[hello]] .l10n.missing}}!', 'hello!'],
    ['{{default [[nobody]] .device.meta.empty}}', 'nobody'],
    ['{{default "a \\"b\\"" .x}}', 'a "b"'],
    ['{{default `raw \\n` .x}}', 'raw \\n'],
    ['{{.l10n.greeting | default [[hello]]}}', 'Olá'],
    ['{{.x.y.z | default [[none]]}}', 'none'],
    ['{{.missing}}', ''],
    ['{{.device.meta.missing}}', ''],
    ['{{.device}}', ''],
    ['{{.device.constructor}}{{.__proto__.x}}', ''],
    ['{{[[}]]}} }} { {', '} }} { {'],
  ];
  for (const [template, text] of cases) assert.equal(parseTemplate(template)(VARIABLES), text, template);
});

test('says what is wrong with a template', () => {
  const cases: [template: string, words: RegExp][] = [
    ['{{.x', /"\{\{" without "\}\}" at character 1/],
    ['{{}}', /empty action/],
    ['{{if .x}}', /unknown function "if" .*allowed is default/],
    ['{{default .x}}', /default takes a fallback and a value/],
    ['{{default [[a]] .b .c}}', /default takes a fallback and a value/],
    ['{{.x .y}}', /a value takes no arguments/],
    ['{{default [[a]] nonsense}}', /"nonsense" is no value/],
    ['{{ # }}', /cannot read "#"/],
    ['{{.x}}'.repeat(300), /more than 100 actions/],
  ];
  for (const [template, words] of cases) {
    assert.throws(
      () => parseTemplate(template),
      { name: 'TemplateError', message: words },
      template.slice(0, 30),
    );
  }
});

test('renders each string of a message for itself, so that a device cannot break out of the JSON', () => {
  const render = compileMessage({
    headers: { Topic: '{{.device.id}}' },
    payload: {
      title: 'Hi {{.device.meta.first_name}}',
      list: ['{{.device.user}}', 7, null],
      '{{key}}': true,
    },
  });
  const device = { id: 'd', user: '"}', locale: '', meta: { first_name: '","x":"' } };
  assert.deepEqual(render(variablesFor(device, { localizations: {}, use_meta: true })), {
    headers: { Topic: '{{.device.id}}' },
    payload: { title: 'Hi ","x":"', list: ['"}', 7, null], '{{key}}': true },
  });
  assert.deepEqual(render(variablesFor(device, { localizations: {}, use_meta: false })).payload, {
    title: 'Hi ',
    list: ['"}', 7, null],
    '{{key}}': true,
  });
  assert.throws(
    () => compileMessage({ payload: { a: [{ b: '{{x}}' }] } }),
    /^TemplateError: payload\.a\[0\]\.b: /,
  );
});

test('takes the translations of the exact tag, or the nearest shorter one, without case', () => {
  const texts = { pt: { hi: 'Olá' }, 'zh-Hant': { hi: '你好' }, 'EN-gb': { hi: 'Hello' } };
  const hi = (locale: string) => chooseTranslations(texts, locale)?.hi;
  assert.deepEqual(['pt', 'pt-BR', 'PT-br', 'zh-Hant-TW', 'zh-TW', 'en-GB', 'en', '', 'fr'].map(hi), [
    'Olá',
    'Olá',
    'Olá',
    '你好',
    undefined,
    'Hello',
    undefined,
    undefined,
    undefined,
  ]);
});

test('a text without "{{" is itself, whatever it has', () => {
  const plain = fc.string({ unit: 'binary' }).filter((text) => !text.includes('{{'));
  fc.assert(fc.property(plain, (text) => assert.equal(parseTemplate(text)(VARIABLES), text)));
});

test('whatever stands between the braces, it is read or refused in words, in time that does not explode', () => {
  const word = fc.constantFrom(
    '{{',
    '}}',
    '[[',
    ']]',
    '"',
    '`',
    '\\',
    '|',
    '.',
    'default',
    '.device.id',
    ' ',
    'x',
    '\n',
    '{',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const source = `{{${words.join('')}}}`;
      try {
        assert.equal(typeof parseTemplate(source)(VARIABLES), 'string');
      } catch (error) {
        assert.ok(error instanceof TemplateError, String(error));
      }
    }),
    { numRuns: 500 },
  );
  const started = performance.now();
  assert.throws(() => parseTemplate(`{{${'" '.repeat(20_000)}}}`), TemplateError);
  assert.throws(() => parseTemplate(`{{${'[['.repeat(20_000)}}}`), TemplateError);
  assert.ok(performance.now() - started < 1_000);
});

test('whatever a device is called, the message keeps its shape, and the text its data', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, text, (id, user, name) => {
      const render = compileMessage({
        payload: { a: ['{{.device.id}}', { b: '<{{.device.user}}>' }], c: '{{.device.meta.n}}' },
      });
      const device = { id, user, locale: '', meta: { n: name } };
      const message = JSON.parse(
        JSON.stringify(render(variablesFor(device, { localizations: {}, use_meta: true }))),
      );
      assert.deepEqual(message, {
        payload: { a: [id, { b: `<${user}>` }], c: name },
      });
    }),
  );
});

test('a member of a text is an error of that device, not an empty text', () => {
  assert.throws(
    () => parseTemplate('{{.device.user.name}}')(VARIABLES),
    /\.device\.user is a text and has no member name/,
  );
});
