import { parseArgs } from 'node:util';
import { type Command, CommandError } from './command.ts';
import { connectServer, SERVER_HELP, SERVER_OPTIONS, type ServerClient } from './server-client.ts';

const DEFAULT_LIMIT = 100;
const PAGE = 1_000;

const OPTIONS = {
  ...SERVER_OPTIONS,
  topic: { type: 'string', multiple: true },
  user: { type: 'string', multiple: true },
  provider: { type: 'string', multiple: true },
  platform: { type: 'string', multiple: true },
  app: { type: 'string', multiple: true },
  limit: { type: 'string' },
} as const;

type Values = ReturnType<typeof parse>['values'];

/** A device as `device_list` shows it. */
interface Device {
  readonly id: string;
  readonly provider: string;
  readonly platform: string;
  readonly app?: string;
  readonly user?: string;
  readonly topics?: readonly string[];
  readonly updated_at?: number;
}

export const devicesCommand: Command = {
  help: `carillon devices list [--user 42] [--topic news] [--provider webpush] [--platform web] [--app shop] [--limit ${DEFAULT_LIMIT}]
carillon devices remove ID … | --user 42

Shows the devices of a running server, or removes them. Options of one kind widen, of different kinds narrow.
Nothing shows their tokens but list --json, one device a line.

  --limit N           how many at most, ${DEFAULT_LIMIT} when absent
${SERVER_HELP}`,

  async run(args) {
    const { values, positionals } = parse(args);
    const [action, ...ids] = positionals;
    if (action === 'list' && ids.length === 0) return list(values);
    if (action === 'remove') return remove(values, ids);
    const given = JSON.stringify(positionals.join(' '));
    throw new CommandError(`list, or remove with ids or a --user? Got ${given}`, 2);
  },
};

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

async function list(values: Values): Promise<number> {
  const limit = values.limit === undefined ? DEFAULT_LIMIT : Number(values.limit);
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new CommandError(
      `--limit is ${JSON.stringify(values.limit)}: allowed is a whole number from 1 on`,
      2,
    );
  }
  const server = await connectServer(values);
  const { topic, user, provider, platform, app } = values;
  const filter = { topics: topic, users: user, providers: provider, platforms: platform, apps: app };
  let count = 0;
  for await (const page of pages(server, filter, limit)) {
    count += page.length;
    if (values.json) for (const device of page) console.log(JSON.stringify(device));
    else if (page.length > 0) console.log(table(page));
  }
  if (!values.json) console.log(count === 1 ? '1 device' : `${count} devices`);
  return 0;
}

async function* pages(server: ServerClient, filter: object, limit: number): AsyncGenerator<Device[]> {
  let cursor: string | undefined = '';
  for (let left = limit; left > 0 && cursor !== undefined; ) {
    const page: { items: Device[]; next_cursor?: string } = await server.call('device_list', {
      filter,
      cursor,
      limit: Math.min(left, PAGE),
      include_topics: true,
    });
    yield page.items;
    left -= page.items.length;
    cursor = page.next_cursor;
  }
}

/** One line a device: what it is, whose, since when, and its topics. */
function table(devices: readonly Device[]): string {
  const rows = devices.map(({ id, platform, app, user, updated_at, topics }) => [
    id,
    platform,
    app ?? '-',
    user ?? '-',
    updated_at === undefined ? '-' : new Date(updated_at * 1000).toISOString().slice(0, 16),
    topics?.join(' ') ?? '',
  ]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function remove({ json, user, ...values }: Values, ids: readonly string[]): Promise<number> {
  const others = (['topic', 'provider', 'platform', 'app', 'limit'] as const).filter((name) => values[name]);
  if (others.length > 0) {
    throw new CommandError(`--${others[0]} does not go with remove: name ids, or a --user`, 2);
  }
  if (ids.length === 0 && !user) throw new CommandError('which? Name ids, or a --user', 2);
  const server = await connectServer(values);
  await server.call('device_remove', { ids, users: user });
  const whose = user ? `of ${user.join(', ')}` : '';
  const which = ids.length > 0 ? ids.join(', ') : 'every device';
  console.log(json ? '{}' : `Removed, as far as there were any: ${[which, whose].filter(Boolean).join(' ')}`);
  return 0;
}
