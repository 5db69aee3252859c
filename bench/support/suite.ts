/** What all suites have in common: how they are run and what they give back. */
import type { Progress } from './progress.ts';

/** One line of the table and of the JSON. A figure that was not measured, or means nothing here, is null. */
export interface Result {
  readonly case: string;
  /** Who was measured: `carillon`, `web-push`, `crypto-floor`, … */
  readonly subject: string;
  readonly perSecond: number | null;
  /** µs of CPU, user and system, of all threads of the measured process, for one message or call. */
  readonly cpuMicros: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** The most memory that the measured process held at once. */
  readonly rssMiB: number | null;
}

/** Fills the figures that are not given with null. */
export function result(
  name: string,
  subject: string,
  figures: Partial<Omit<Result, 'case' | 'subject'>>,
): Result {
  const none = { perSecond: null, cpuMicros: null, p50Ms: null, p99Ms: null, rssMiB: null };
  return { case: name, subject, ...none, ...figures };
}

export interface SuiteReport {
  /** What one has to know to read the figures. */
  readonly conditions: readonly string[];
  readonly results: readonly Result[];
  /** Stands for the usual table of the results. */
  readonly table?: string;
  /** Ratios and the like, said after the table. */
  readonly notes?: readonly string[];
  /** What went wrong while it was measured: the run fails. */
  readonly failures?: readonly string[];
}

export interface RunOptions {
  /** Ends within 60 s: fewer cases, fewer rounds. */
  readonly quick: boolean;
  /** The suite's own flags that were given; a flag without a value is `true`. */
  readonly flags: Readonly<Record<string, string | true>>;
  readonly progress: Progress;
}

export interface SuiteFlag {
  readonly name: string;
  /** What its value is called; absent for one that is on or off. */
  readonly value?: string;
  readonly description: string;
}

export interface Suite {
  readonly name: string;
  readonly description: string;
  readonly flags?: readonly SuiteFlag[];
  run(options: RunOptions): Promise<SuiteReport>;
}
