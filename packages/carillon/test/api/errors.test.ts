import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { API_ERRORS } from '../../src/errors.ts';

test('the table in docs/errors.md has every error of the catalogue, and no other', async () => {
  const docs = await readFile(new URL('../../../../docs/errors.md', import.meta.url), 'utf8');
  const rows = [...docs.matchAll(/^\| (\d+) \| `([^`]+)` \| (\d+) \| (yes|no) \|/gm)].map(
    ([, code, message, status, retry]) => ({
      code: Number(code),
      message,
      status: Number(status),
      retry: retry === 'yes',
    }),
  );
  const catalogue = Object.values(API_ERRORS).map(({ code, message, status, retry }) => ({
    code,
    message,
    status,
    retry,
  }));
  assert.deepEqual(rows, catalogue);
});
