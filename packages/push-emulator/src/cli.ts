/**
 * `push-emulator`: push services on this machine, and `push-emulator chrome <url>` or `firefox <url>`: a browser that goes by them.
 */
import { parseArgs } from 'node:util';
import { chromiumArguments } from './browsers/chromium.ts';
import { firefoxPreferences } from './browsers/firefox.ts';
import { BROWSERS, type BrowserName, launchBrowser } from './browsers/launch.ts';
import { type PushEmulator, startPushEmulator } from './emulator.ts';
import type { Fault } from './faults.ts';
import type { PushRecord } from './journal.ts';

const USAGE = `push-emulator [chrome|firefox [URL]] [options]

  chrome, firefox     start the browser, too; the command ends with it
  --profile DIR       its profile folder; a new one each time when absent
  --browser PROGRAM   which program it is
  --port N            plain HTTP and Firefox's WebSocket (8090); 0, as for the others: any that is free
  --https-port N      the same over TLS (8091)
  --apns-port N       APNs (8092)
  --mcs-port N        Chromium's message socket (8093)
  --host ADDRESS      127.0.0.1
  --data DIR          keeps the certificate authority, so that who trusts it need not be told again
  --fault JSON        a fault from the start, e.g. '{"service":"fcm","kind":"status","status":503,"times":null}'; may be repeated
`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '8090' },
      'https-port': { type: 'string', default: '8091' },
      'apns-port': { type: 'string', default: '8092' },
      'mcs-port': { type: 'string', default: '8093' },
      host: { type: 'string', default: '127.0.0.1' },
      data: { type: 'string' },
      profile: { type: 'string' },
      browser: { type: 'string' },
      fault: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) console.log(USAGE);
  else await run(values, readPositionals(positionals));
} catch (error) {
  console.error(`push-emulator: ${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 1;
}

interface Options {
  readonly port: string;
  readonly 'https-port': string;
  readonly 'apns-port': string;
  readonly 'mcs-port': string;
  readonly host: string;
  readonly data?: string;
  readonly profile?: string;
  readonly browser?: string;
  readonly fault: readonly string[];
}

async function run(
  options: Options,
  { browser, url }: { browser?: BrowserName; url?: string },
): Promise<void> {
  if (browser === undefined && (options.profile ?? options.browser) !== undefined) {
    throw new Error('--profile and --browser go with chrome or firefox');
  }
  const emulator = await startPushEmulator({
    port: portFrom('--port', options.port),
    httpsPort: portFrom('--https-port', options['https-port']),
    apnsPort: portFrom('--apns-port', options['apns-port']),
    mcsPort: portFrom('--mcs-port', options['mcs-port']),
    host: options.host,
    ...(options.data !== undefined && { dataDir: options.data }),
  });
  try {
    for (const text of options.fault) emulator.faults.add(faultFrom(text));
    console.log(await describeEmulator(emulator, browser === undefined));
    emulator.onChange((record) => console.log(describe(record)));
    if (browser === undefined) {
      await new Promise<void>(onSignal);
      return;
    }
    const launched = await launchBrowser({
      browser,
      emulator,
      ...(url !== undefined && { url }),
      ...(options.browser !== undefined && { program: options.browser }),
      ...(options.profile !== undefined && { profile: options.profile }),
    });
    let isStopped = false;
    onSignal(() => {
      isStopped = true;
      launched.stop();
    });
    const failure = await launched.ended;
    if (failure !== undefined && !isStopped) throw new Error(failure);
  } finally {
    await emulator.close();
  }
}

function onSignal(action: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, action);
}

async function describeEmulator(emulator: PushEmulator, withBrowsers: boolean): Promise<string> {
  const { url, httpsUrl, apnsUrl, mcsUrl } = emulator;
  const services = `Push services, until Ctrl+C:

  Web Push, FCM, HMS, their OAuth   ${url}
  the same over TLS, HTTP/2 too     ${httpsUrl}
  APNs                              ${apnsUrl}
  Chromium's message socket         ${mcsUrl}
  certificate authority             ${await emulator.caFile()}
  live page                         ${url}/
  remote control                    ${url}/control/state
`;
  if (!withBrowsers) return services;
  const preferences = Object.entries(firefoxPreferences(emulator)).map(
    ([name, value]) => `  ${name.padEnd(40)}${value}`,
  );
  return `${services}
Endpoints begin with ${url}/wpush/ in Firefox. In about:config, or a profile's user.js:

${preferences.join('\n')}

In Chrome and Chromium endpoints are at a host of Google's: let your sender resolve it to ${httpsUrl}, and trust the authority.
Start it with a profile of its own (--user-data-dir) and:

${chromiumArguments(emulator)
  .map((argument) => `  '${argument}'`)
  .join(' \\\n')}

What comes is shown below, and at ${url}/control/messages.
`;
}

function describe({
  id,
  service,
  state,
  status,
  reason,
  body,
  headers,
  sentAt,
  nackCode,
}: PushRecord): string {
  const facts = [
    new Date().toISOString(),
    id.slice(0, 8),
    service,
    nackCode === undefined ? state : `the service worker failed (${nackCode})`,
    status,
    reason,
    state === 'sent' && sentAt.length > 1 && `time ${sentAt.length}`,
    `${body.length} bytes`,
    headers && `TTL ${headers.ttl}, ${headers.urgency}${headers.topic ? `, topic ${headers.topic}` : ''}`,
  ];
  return facts.filter(Boolean).join('  ');
}

function readPositionals([browser, url, ...rest]: string[]): { browser?: BrowserName; url?: string } {
  if (browser === undefined) return {};
  if (!isBrowser(browser))
    throw new Error(`${JSON.stringify(browser)} is no browser: ${BROWSERS.join(', ')} are allowed`);
  if (rest.length > 0) throw new Error(`one URL is allowed, there is also ${JSON.stringify(rest[0])}`);
  if (url === undefined) return { browser };
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new Error(`the URL is ${JSON.stringify(url)}: http: or https: is expected`);
  }
  return { browser, url };
}

function isBrowser(text: string): text is BrowserName {
  return (BROWSERS as readonly string[]).includes(text);
}

function faultFrom(text: string): Fault {
  try {
    return JSON.parse(text) as Fault;
  } catch {
    throw new Error(`--fault is ${JSON.stringify(text)}: JSON is expected`);
  }
}

function portFrom(option: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port < 65_536) return port;
  throw new Error(`${option} is ${JSON.stringify(text)}: 0 to 65535 is allowed`);
}
