/**
 * Packs what is published, into `dist/`:
 *
 *   node scripts/pack/main.ts                        all packages
 *   node scripts/pack/main.ts packages/carillon …    these
 */
import { join, relative, resolve } from 'node:path';
import { PACKAGES, pack } from './pack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const wanted = process.argv.slice(2).map((folder) => resolve(ROOT, folder));
const unknown = wanted.find((folder) => !PACKAGES.includes(folder));

if (unknown) {
  const known = PACKAGES.map((folder) => relative(ROOT, folder)).join(', ');
  console.error(`${relative(ROOT, unknown)} is not published: ${known} are.`);
  process.exitCode = 2;
} else {
  for (const folder of wanted.length > 0 ? wanted : PACKAGES) {
    console.log(relative(process.cwd(), await pack(folder, join(ROOT, 'dist'))));
  }
}
