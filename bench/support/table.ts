import type { Result } from './suite.ts';

const COLUMNS: readonly { head: string; text: (row: Result) => string }[] = [
  { head: 'case', text: (row) => row.case },
  { head: 'subject', text: (row) => row.subject },
  { head: 'per second', text: (row) => figure(row.perSecond, 0) },
  { head: 'CPU µs each', text: (row) => figure(row.cpuMicros, 1) },
  { head: 'p50 ms', text: (row) => figure(row.p50Ms, 1) },
  { head: 'p99 ms', text: (row) => figure(row.p99Ms, 1) },
  { head: 'peak RSS MiB', text: (row) => figure(row.rssMiB, 0) },
];
/** The rest are numbers, and stand at the right. */
const LEFT = 2;

/** The results as lines for a terminal, columns that nobody filled left out. */
export function table(results: readonly Result[]): string {
  const columns = COLUMNS.map(({ head, text }) => [head, ...results.map(text)]).filter((cells) =>
    cells.slice(1).some((cell) => cell !== ''),
  );
  const [first = []] = columns;
  return textTable(
    first.map((_, row) => columns.map((cells) => cells[row] ?? '')),
    LEFT,
  );
}

/** Rows of cells as lines for a terminal, the first one as their heads; all but the first `left` columns stand at the right. */
export function textTable(rows: readonly (readonly string[])[], left: number): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [line(head), rule, ...rows.slice(1).map(line)].join('\n');
}

function figure(value: number | null, digits: number): string {
  if (value === null) return '';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
