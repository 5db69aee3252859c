import { readFileSync } from 'node:fs';

export interface DashboardQuery {
  /** The panel's. */
  readonly title: string;
  readonly expr: string;
  readonly datasource: { readonly uid: string };
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly Omit<DashboardQuery, 'title'>[];
}

/** Every query of a Grafana dashboard's file. */
export function queriesOf(file: string): DashboardQuery[] {
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: readonly Panel[] };
  return panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
}

/** The names of metrics in a query: words that are neither functions nor labels nor what PromQL itself says. */
export function metricsIn({ expr }: DashboardQuery): string[] {
  const bare = expr.replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(by|without)\s*\([^)]*\)/g, ' ');
  return [...new Set(bare.match(/\b[a-z_]\w*\b(?!\s*\()/gi) ?? [])].filter(
    (word) => !/^(by|on|sum|max)$/.test(word),
  );
}
