import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { providerSetups } from '../push/providers/index.ts';
import { appOf, providerOf } from '../push/providers/lanes.ts';
import { PROVIDER_NAMES, type ProviderName } from '../push/providers/provider.ts';
import { type Command, CommandError } from './command.ts';
import { type NotificationText, notificationFor } from './notification.ts';
import { connectServer, SERVER_HELP, SERVER_OPTIONS, type ServerClient } from './server-client.ts';

const POLL_MS = 200;
const LETTERS_SHOWN = 10;

const OPTIONS = {
  ...SERVER_OPTIONS,
  topic: { type: 'string', multiple: true },
  user: { type: 'string', multiple: true },
  device: { type: 'string', multiple: true },
  platform: { type: 'string', multiple: true },
  provider: { type: 'string', multiple: true },
  app: { type: 'string' },
  title: { type: 'string' },
  body: { type: 'string' },
  open: { type: 'string' },
  notification: { type: 'string' },
  uid: { type: 'string' },
  at: { type: 'string' },
  wait: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parse>;

export const sendCommand: Command = {
  help: `carillon send --topic news --title Hello [--body "…"] [--open https://example.com/article]

Sends a push notification through a running server.

To whom; options of one kind widen, of different kinds narrow:
  --topic, --user, --device ID, --platform ios|android|web
  --provider NAME     ${PROVIDER_NAMES.join(', ')}; every one that is configured when none is named
  --app NAME          an app of push_notifications.apps
What:
  --title, --body     the same words for every provider
  --open URL          what a click opens
  --notification FILE all of it, instead: the JSON of notification in send_push_notification; - reads standard input
How:
  --at TIME           not before: 2027-01-31T09:00:00Z, or Unix seconds
  --uid ID            a repeat with the same one sends nothing
  --wait              stay until it is done, and end with 1 if it failed for anybody
${SERVER_HELP}`,

  async run(args) {
    const values = parse(args);
    const filter = filterOf(values);
    const sendAt = values.at === undefined ? undefined : unixSeconds(values.at);
    const content = await contentOf(values);
    const server = await connectServer(values);
    const { uid } = await server.call<{ uid: string }>('send_push_notification', {
      uid: values.uid,
      app: values.app,
      send_at: sendAt,
      recipient: { filter },
      notification:
        'title' in content ? notificationFor(providersOf(values, server), content) : content.whole,
    });
    if (!values.wait) {
      console.log(values.json ? JSON.stringify({ uid }) : `Accepted: ${uid}`);
      return 0;
    }
    const status = await untilDone(server, uid);
    if (values.json) console.log(JSON.stringify({ uid, ...status }));
    else tell(uid, status);
    return status.state !== 'done' || status.counts.failed || status.dead_letters ? 1 : 0;
  },
};

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS }).values;
}

function filterOf({ topic, user, device, platform, provider }: Values): object {
  if (!topic && !user && !device && !platform) {
    throw new CommandError('to whom? Name a --topic, a --user, a --device or a --platform', 2);
  }
  const unknown = provider?.find((name) => !PROVIDER_NAMES.includes(name as ProviderName));
  if (unknown !== undefined) {
    throw new CommandError(
      `--provider is ${JSON.stringify(unknown)}: allowed are ${PROVIDER_NAMES.join(', ')}`,
      2,
    );
  }
  return { topics: topic, users: user, ids: device, platforms: platform, providers: provider };
}

/** What is to be said: in words for every provider, or the whole notification. */
async function contentOf(values: Values): Promise<NotificationText | { readonly whole: object }> {
  const { title, body, open, notification: file } = values;
  if (file !== undefined) {
    if (title !== undefined || body !== undefined || open !== undefined) {
      throw new CommandError('--notification is the whole of it: leave out --title, --body and --open', 2);
    }
    return { whole: await readNotification(file) };
  }
  if (!title) throw new CommandError('it needs a --title, or a --notification', 2);
  if (open !== undefined && !URL.canParse(open)) {
    throw new CommandError(
      `--open is ${JSON.stringify(open)}: allowed is a URL such as https://example.com`,
      2,
    );
  }
  return { title, ...(body && { body }), ...(open && { url: open }) };
}

/** Those that are named, else all that the app has here. */
function providersOf({ provider, app = '' }: Values, { config }: ServerClient): readonly ProviderName[] {
  if (provider) return provider as ProviderName[];
  const lanes = providerSetups(config.push_notifications).map(({ lane }) => lane);
  const providers = lanes.filter((lane) => appOf(lane) === app).map(providerOf);
  if (providers.length > 0) return providers;
  throw new CommandError(
    `which --provider? The configuration here enables none${app && ` for the app ${app}`}; give the server's with --config, or name them`,
  );
}

async function readNotification(file: string): Promise<object> {
  const text = await (file === '-' ? readAll(process.stdin) : readFile(file, 'utf8'));
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new CommandError(`--notification ${file} is not valid JSON: ${(error as Error).message}`);
  }
  throw new CommandError(
    `--notification ${file} must be an object such as {"webpush": {"payload": {"title": "Hello"}}}`,
  );
}

/** Unix seconds, or a time with its zone. */
function unixSeconds(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const milliseconds = hasZone ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(milliseconds)) return Math.ceil(milliseconds / 1000);
  throw new CommandError(
    `--at is ${JSON.stringify(text)}: allowed is a time with its zone such as 2027-01-31T09:00:00Z, or Unix seconds`,
    2,
  );
}

interface PushStatus {
  readonly state: string;
  readonly counts: Readonly<Record<string, number>>;
  /** Absent when there are none. */
  readonly dead_letters?: readonly DeadLetter[];
}

interface DeadLetter {
  readonly device_id?: string;
  readonly code: string;
  readonly reason?: string;
}

async function untilDone(server: ServerClient, uid: string): Promise<PushStatus> {
  for (;;) {
    const { state, counts, dead_letters: letters } = await server.call<PushStatus>('push_status', { uid });
    if (state !== 'scheduled' && state !== 'sending') {
      return { state, counts, ...(letters?.length && { dead_letters: letters }) };
    }
    await delay(POLL_MS);
  }
}

function tell(uid: string, { state, counts, dead_letters: letters = [] }: PushStatus): void {
  const words = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  console.log(`${uid} is ${state}: ${words.join(', ') || 'nothing was sent'}`);
  for (const { device_id: device = 'a device', code, reason } of letters.slice(0, LETTERS_SHOWN)) {
    console.error(`${device}: ${code}${reason ? `: ${reason}` : ''}`);
  }
  if (letters.length > LETTERS_SHOWN) console.error('and more: --json shows them');
}
