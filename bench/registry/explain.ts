/** The plans of every documented filter, through the code that the API runs. */
import type { Database } from '../../packages/carillon/src/index.ts';
import { type DeviceFilter, recipientPage } from '../../packages/carillon/src/push/devices/device-filter.ts';
import { DeviceRegistry } from '../../packages/carillon/src/push/devices/registry.ts';
import { Topics } from '../../packages/carillon/src/push/devices/topics.ts';
import { DEVICES, deviceId } from './million.ts';

/** One statement's plan. */
export interface Plan {
  readonly name: string;
  readonly lines: readonly string[];
  readonly ms: number;
  /** Pages of 8 KiB that were touched. */
  readonly buffers: number;
  /** Why this plan grows with the registry; empty when it does not. */
  readonly complaints: readonly string[];
}

/** More than that for a page of 100 or 1,000 rows is a walk, not a look-up. */
const MAX_BUFFERS = 20_000;
const MAX_ROWS_SORTED = 10_000;
const PAGE = 100;
const SEND_PAGE = 1_000;
const PROVIDERS = ['fcm', 'hms', 'apns', 'webpush'] as const;

export async function explainAll(db: Database, onPlan: (name: string) => void): Promise<Plan[]> {
  const plans: Plan[] = [];
  const explain = async (name: string, run: (explaining: Database) => Promise<unknown>) => {
    onPlan(name);
    // The first run brings the pages into memory.
    await run(recorder(db, () => {}));
    const seen: string[][] = [];
    await run(recorder(db, (lines) => seen.push(lines)));
    for (const [index, lines] of seen.entries()) {
      plans.push(judge(index === 0 ? name : `${name}: total count`, lines));
    }
  };
  const middle = deviceId(DEVICES / 2 + 1);
  await explainDeviceLists(explain, middle);
  await explainTopicLists(explain);
  await explainSends(explain, middle);
  return plans;
}

type Explain = (name: string, run: (db: Database) => Promise<unknown>) => Promise<void>;

/** Filters of `device_list` and of sends. */
function filters(): Record<string, DeviceFilter> {
  return {
    ids: { ids: [deviceId(5), deviceId(500_000)] },
    users: { users: ['user-7', 'user-400000'] },
    'topics, everybody': { topics: ['all'] },
    'topics, 1,000 devices': { topics: ['room-7'] },
    'topics, 2 devices': { topics: ['pair-400000'] },
    'topics, two of 1,000': { topics: ['room-7', 'room-8'] },
    'topics, everybody or 2': { topics: ['all', 'pair-400000'] },
    'topics, unknown': { topics: ['nobody'] },
    'providers, 25 %': { providers: ['webpush'] },
    'providers, 0.01 %': { providers: ['hms'] },
    'platforms, 25 %': { platforms: ['web'] },
    'platforms, 1 %': { platforms: ['other'] },
    'platforms, unknown': { platforms: ['none'] },
    'users and topics': { users: ['user-7'], topics: ['all'] },
    'topics and providers': { topics: ['room-7'], providers: ['webpush'] },
    'topics of everybody, providers 0.01 %': { topics: ['all'], providers: ['hms'] },
    'topics and platforms': { topics: ['room-7'], platforms: ['web'] },
    'topics of everybody, platforms 1 %': { topics: ['all'], platforms: ['other'] },
    'providers and platforms, none both': { providers: ['apns'], platforms: ['web'] },
    'apps, 2 %': { apps: ['shop'] },
    'topics, exclude': {
      topics: ['room-7'],
      exclude: { ids: [deviceId(7)], users: ['user-503', 'user-1003'] },
    },
  };
}

async function explainDeviceLists(explain: Explain, middle: string): Promise<void> {
  const request = { limit: PAGE, totalCount: false, topics: false, meta: false, webpushKeys: false };
  const list =
    (filter: DeviceFilter, cursor: string, more: object = {}) =>
    (db: Database) =>
      new DeviceRegistry(db, new Map()).list({ ...request, filter, cursor, ...more });
  await explain(
    'device_list, no filter, with topics and count',
    list({}, '', { topics: true, totalCount: true }),
  );
  for (const [name, filter] of Object.entries(filters())) {
    await explain(`device_list, ${name}`, list(filter, ''));
    await explain(`device_list, ${name}, from the middle`, list(filter, middle));
  }
}

async function explainTopicLists(explain: Explain): Promise<void> {
  const common = { cursor: 0, limit: PAGE, totalCount: false };
  const deviceTopics = (
    devices: DeviceFilter,
    topics: readonly string[],
    topicPrefix: string,
    cursor = 0,
  ) => {
    return (db: Database) =>
      new Topics(db).listDevice({ ...common, devices, topics, topicPrefix, cursor, device: true });
  };
  const device = 'device_topic_list';
  await explain(`${device}, no filter, from the middle`, deviceTopics({}, [], '', 1_500_000));
  await explain(`${device}, device_ids`, deviceTopics({ ids: [deviceId(5)] }, [], ''));
  await explain(`${device}, device_users`, deviceTopics({ users: ['user-400000'] }, [], ''));
  await explain(`${device}, device_providers, 25 %`, deviceTopics({ providers: ['webpush'] }, [], ''));
  await explain(`${device}, device_providers, 0.01 %`, deviceTopics({ providers: ['hms'] }, [], ''));
  await explain(`${device}, device_platforms, 1 %`, deviceTopics({ platforms: ['other'] }, [], ''));
  await explain(`${device}, topics, everybody`, deviceTopics({}, ['all'], '', 1_500_000));
  await explain(`${device}, topics, 1,000 devices`, deviceTopics({}, ['room-7'], ''));
  await explain(`${device}, topics, 2 devices`, deviceTopics({}, ['pair-400000'], ''));
  await explain(`${device}, topic_prefix, a third of all`, deviceTopics({}, [], 'room-'));
  await explain(`${device}, topic_prefix, 22 rows`, deviceTopics({}, [], 'pair-40000'));
  await explain(`${device}, topics and device_users`, deviceTopics({ users: ['user-7'] }, ['all'], ''));
  const user = 'user_topic_list';
  const userTopics = (
    users: readonly string[],
    topics: readonly string[],
    topicPrefix: string,
    cursor = 0,
  ) => {
    return (db: Database) => new Topics(db).listUser({ ...common, users, topics, topicPrefix, cursor });
  };
  await explain(`${user}, no filter, from the middle`, userTopics([], [], '', 500_000));
  await explain(`${user}, users`, userTopics(['user-400000'], [], ''));
  await explain(`${user}, topics, everybody`, userTopics([], ['all'], '', 500_000));
  await explain(`${user}, topics, 500 users`, userTopics([], ['room-7'], ''));
  await explain(`${user}, topic_prefix, half of all`, userTopics([], [], 'room-', 500_000));
  await explain(`${user}, topic_prefix, 5,500 rows`, userTopics([], [], 'room-77'));
  await explain(`${user}, users and topics`, userTopics(['user-7'], ['all'], ''));
}

async function explainSends(explain: Explain, middle: string): Promise<void> {
  for (const [name, filter] of Object.entries(filters())) {
    for (const cursor of ['', middle]) {
      // Every send is for one app: the default one's, which has nearly all devices, unless the filter says another.
      const { text, values } = recipientPage({ apps: [''], ...filter }, PROVIDERS, cursor, SEND_PAGE);
      const from = cursor === '' ? '' : ', from the middle';
      await explain(`send page, ${name}${from}`, (db) => db.query(text, values));
    }
  }
}

/** A database that tells the plan of each query, and finds nothing. */
function recorder(db: Database, onPlan: (lines: string[]) => void): Database {
  return {
    kind: db.kind,
    exec: (sql) => db.exec(sql),
    transaction: (work) => db.transaction(work),
    listen: (channel, listener) => db.listen(channel, listener),
    close: () => db.close(),
    async query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> {
      const rows = await db.query<Record<string, string>>(`EXPLAIN (ANALYZE, BUFFERS) ${text}`, params);
      onPlan(rows.map((row) => row['QUERY PLAN'] as string));
      return [];
    },
  };
}

function judge(name: string, lines: readonly string[]): Plan {
  const text = lines.join('\n');
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
  const buffers = number(/Buffers: shared (?:hit=)(\d+)/) + number(/Buffers: shared (?:hit=\d+ )?read=(\d+)/);
  const complaints: string[] = [];
  for (const [, table] of text.matchAll(/Seq Scan on (carillon_\w+)/g)) complaints.push(`scans ${table}`);
  lines.forEach((line, index) => {
    const isSort = /^\s*(->\s+)?(Incremental )?Sort\b/.test(line);
    // What goes into a sort stands in the next plan line below it; its own rows end with the limit.
    const below = isSort ? lines.slice(index + 1).find((other) => /->/.test(other)) : undefined;
    const [, rows, loops] = /actual time=\S+ rows=(\d+) loops=(\d+)/.exec(below ?? '') ?? [];
    const sorted = Number(rows ?? 0) * Number(loops ?? 0);
    if (sorted > MAX_ROWS_SORTED) complaints.push(`sorts ${sorted.toLocaleString('en')} rows`);
  });
  for (const [, rows] of text.matchAll(/Rows Removed by (?:Join )?Filter: (\d+)/g)) {
    if (Number(rows) > MAX_ROWS_SORTED)
      complaints.push(`reads ${Number(rows).toLocaleString('en')} rows for nothing`);
  }
  if (buffers > MAX_BUFFERS) complaints.push(`touches ${buffers.toLocaleString('en')} pages`);
  return { name, lines, ms: number(/Execution Time: ([\d.]+) ms/), buffers, complaints };
}
