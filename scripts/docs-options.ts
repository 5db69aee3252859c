/**
 * Writes the table of options into docs/configuration.md, from the one source that the server reads them by. `npm run check`
 * compares; `npm run docs` writes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Option } from '../packages/carillon/src/config/option.ts';
import { CONFIG } from '../packages/carillon/src/config/options.ts';

const FILE = join(import.meta.dirname, '..', 'docs', 'configuration.md');
const START = '<!-- options: start -->';
const END = '<!-- options: end -->';

/** The document with its table as it should be. */
export function configurationDocs(): { file: string; current: string; wanted: string } {
  const current = readFileSync(FILE, 'utf8');
  const [head = '', rest = ''] = current.split(START);
  const tail = rest.split(END)[1] ?? '';
  const rows = optionRows(CONFIG, '').map(
    ([path, fallback, allowed]) => `| \`${path}\` | ${fallback} | ${allowed} |`,
  );
  const table = ['| key | default | allowed |', '| --- | --- | --- |', ...rows].join('\n');
  return { file: FILE, current, wanted: `${head}${START}\n\n${table}\n\n${END}${tail}` };
}

function optionRows(option: Option<unknown>, path: string): string[][] {
  return Object.entries(option.members ?? {}).flatMap(([key, member]) => {
    const memberPath = path ? `${path}.${key}` : key;
    if (member.kind === 'section') return optionRows(member, memberPath);
    if (member.kind === 'named') return [[memberPath, '–', member.allowed]];
    if (member.kind === 'list') return optionRows(member, `${memberPath}[]`);
    return [[memberPath, showDefault(member), member.allowed.replaceAll('|', '\\|')]];
  });
}

function showDefault({ fallback, allowed }: Option<unknown>): string {
  if (fallback === '' || (Array.isArray(fallback) && fallback.length === 0)) return '–';
  if (allowed.startsWith('a duration')) return `\`${showDuration(fallback as number)}\``;
  return `\`${JSON.stringify(fallback)}\``;
}

function showDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

if (import.meta.main) {
  const { file, wanted } = configurationDocs();
  writeFileSync(file, wanted);
  console.log(`${file} written`);
}
