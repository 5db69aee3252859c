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
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  const line = (row: number) =>
    columns
      .map((cells, column) => {
        const [cell = '', width = 0] = [cells[row], widths[column]];
        return column < LEFT ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [line(0), rule, ...results.map((_, index) => line(index + 1))].join('\n');
}

function figure(value: number | null, digits: number): string {
  if (value === null) return '';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
