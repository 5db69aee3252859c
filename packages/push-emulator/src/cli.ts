/**
 * `push-emulator [--port 8090] [--host 127.0.0.1]`: a push service on this machine, for a Firefox with three changed preferences.
 */
import { parseArgs } from 'node:util';
import { startPushEmulator } from './emulator.ts';
import type { PushRecord } from './journal.ts';

const USAGE = 'push-emulator [--port 8090] [--host 127.0.0.1]';

try {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8090' },
      host: { type: 'string', default: '127.0.0.1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) console.log(USAGE);
  else await run(portFrom(values.port), values.host);
} catch (error) {
  console.error(`push-emulator: ${(error as Error).message}\n${USAGE}`);
  process.exitCode = 1;
}

async function run(port: number, host: string): Promise<void> {
  const emulator = await startPushEmulator({ port, host });
  console.log(`A push service for Firefox, by Mozilla's protocol. In about:config (or a profile's user.js):

  dom.push.serverURL                        ${emulator.wsUrl}
  dom.push.testing.allowInsecureServerURL   true
  dom.push.connection.enabled               true

Endpoints begin with ${emulator.url}/wpush/: allow your sender to post there. What comes is shown below and at
${emulator.url}/control/messages. Ctrl+C ends it, and forgets all subscriptions.
`);
  emulator.onChange((record) => console.log(describe(record)));
  const stop = () => void emulator.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

function describe({ id, state, status, reason, body, headers, sentAt, nackCode }: PushRecord): string {
  const facts = [
    new Date().toISOString(),
    id.slice(0, 8),
    nackCode === undefined ? state : `the service worker failed (${nackCode})`,
    status,
    reason,
    state === 'sent' && sentAt.length > 1 && `time ${sentAt.length}`,
    `${body.length} bytes`,
    headers && `TTL ${headers.ttl}, ${headers.urgency}${headers.topic ? `, topic ${headers.topic}` : ''}`,
  ];
  return facts.filter(Boolean).join('  ');
}

function portFrom(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new Error(`--port is ${JSON.stringify(text)}: 0 to 65535 is allowed`);
}
