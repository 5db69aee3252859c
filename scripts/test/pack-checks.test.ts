import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { checkPacked } from '../pack/check-packed.ts';
import { packedManifest } from '../pack/manifest.ts';

const MANIFEST = {
  name: 'bells',
  version: '2.0.0',
  exports: { '.': './src/index.ts', './worker': './src/parts/worker.ts' },
  scripts: { pack: 'true' },
  dependencies: { ws: '8.23.0', carillon: '*' },
};

suite('a package.json, packed', () => {
  test('points at what was compiled, and depends on the other packages by version', () => {
    const packed = packedManifest(MANIFEST, new Map([['carillon', '0.1.0']]));
    assert.deepEqual(packed, {
      name: 'bells',
      version: '2.0.0',
      exports: {
        '.': { types: './dist/index.d.ts', default: './dist/index.js' },
        './worker': { types: './dist/parts/worker.d.ts', default: './dist/parts/worker.js' },
      },
      dependencies: { ws: '8.23.0', carillon: '^0.1.0' },
    });
  });

  test('is refused when an export is not a source', () => {
    const exports = { '.': './lib/index.js' };
    assert.throws(
      () => packedManifest({ ...MANIFEST, exports }, new Map()),
      /bells: exports\["\."\] is "\.\/lib\/index\.js": \.\/src\/….ts is allowed/,
    );
  });
});

test('what only works in a workspace is found before it is packed', async () => {
  const stage = await mkdtemp(join(tmpdir(), 'carillon-stage-'));
  try {
    await mkdir(join(stage, 'dist', 'parts'), { recursive: true });
    const files = {
      'index.js': `import { a } from 'ws';\nimport fs from 'node:fs';\nimport { b } from '@types/hoisted/part';\nimport './x.js';`,
      'index.d.ts': `import type { Pool } from 'pg';\nexport * from './parts/worker.ts';`,
      'parts/worker.js': `new Worker(new URL('./thread.ts', import.meta.url));\nconst late = await import('fastify');`,
    };
    for (const [file, text] of Object.entries(files)) await writeFile(join(stage, 'dist', file), text);
    assert.deepEqual(checkPacked(stage, packedManifest(MANIFEST, new Map())).sort(), [
      'dist/index.d.ts imports pg, which is not in dependencies',
      'dist/index.js imports @types/hoisted, which is not in dependencies',
      'dist/parts/worker.js imports fastify, which is not in dependencies',
      'dist/parts/worker.js names ./thread.ts, which is not in the package',
    ]);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
});
