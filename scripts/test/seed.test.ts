import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readArguments, UsageError } from '../seed/arguments.ts';
import { barLine } from '../seed/progress-bar.ts';

suite('what npm run seed is given', () => {
  test('is nothing, or --scale with a number of users', () => {
    assert.deepEqual(readArguments([], {}), {
      scale: false,
      users: 100_000,
      databaseUrl: undefined,
      help: false,
    });
    assert.equal(readArguments(['--scale'], {}).users, 100_000);
    assert.equal(readArguments(['--scale', '--users', '2_500'], {}).users, 2_500);
  });

  test('names a PostgreSQL by option or variable, the option first', () => {
    const [ours, theirs] = ['postgresql://a@localhost/ours', 'postgres://a@localhost/theirs'];
    assert.equal(readArguments([], { DATABASE_URL: theirs }).databaseUrl, theirs);
    assert.equal(readArguments(['--database-url', ours], { DATABASE_URL: theirs }).databaseUrl, ours);
    assert.equal(readArguments([], { DATABASE_URL: '' }).databaseUrl, undefined);
  });

  for (const [args, words] of [
    [['--scale', '--users', '0'], '--users must be a whole number from 1 to 1,000,000, got "0"'],
    [['--scale', '--users', '1e3'], '--users must be a whole number from 1 to 1,000,000, got "1e3"'],
    [['--scale', '--users', '1000001'], '--users must be a whole number from 1 to 1,000,000, got "1000001"'],
    [['--users', '5'], '--users belongs to --scale, which is not given'],
    [['--database-url', ''], '--database-url must be like postgresql://user:password@host:5432/name'],
    [
      ['--scales'],
      "Unknown option '--scales'. The options are --scale, --users N, --database-url URL and --help",
    ],
  ] as const) {
    test(`is refused in words: ${args.join(' ')}`, () => {
      assert.throws(() => readArguments(args, {}), new UsageError(words));
    });
  }

  test('keeps a password out of the words of refusal', () => {
    assert.throws(
      () => readArguments([], { DATABASE_URL: 'mysql://me:secret@host/db' }),
      new UsageError('DATABASE_URL must be like postgresql://user:password@host:5432/name'),
    );
  });
});

test('a bar says how far, how fast and how long it takes', () => {
  assert.match(
    barLine('users', 25_000, 100_000, 2),
    /█{6}░{18} {2}25,000 of 100,000 {2}12,500\/s {2}6 s left$/,
  );
  assert.match(barLine('users', 100, 100, 0.25), /█{24} {2}100 of 100 {2}400\/s {2}in 0\.3 s$/);
});
