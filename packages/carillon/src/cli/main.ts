/** The command `carillon`. */
import { parseArgs } from 'node:util';
import { VERSION } from '../version.ts';
import { type Command, CommandError, wordsOf } from './command.ts';

const HELP = `carillon: real-time messages and push notifications

  carillon serve [--config config.json]         start the server
  carillon worker [--config config.json]        run push workers alone, beside servers on the same PostgreSQL or Redis
  carillon check-config [--config config.json]  read the configuration and its keys, name what is wrong, start nothing
  carillon vapid                                make a VAPID key pair for Web Push
  carillon send --topic news --title Hello      send a push notification through a running server
  carillon devices list | remove                show or remove the devices of a running server
  carillon version

carillon <command> --help says more. Every option can be set by environment: CARILLON_ and its path, e.g.
CARILLON_HTTP_SERVER_PORT=8000. CARILLON_DATA_DIR (./carillon-data) keeps secrets and, without database.postgresql.dsn,
the embedded database.`;

/** Loaded when asked for: a short command need not wait for the server's modules. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand,
  worker: async () => (await import('./serve.ts')).workerCommand,
  'check-config': async () => (await import('./check-config.ts')).checkConfigCommand,
  send: async () => (await import('./send.ts')).sendCommand,
  devices: async () => (await import('./devices.ts')).devicesCommand,
  vapid: async () => {
    const { generateVapidKeys } = await import('../push/providers/webpush/index.ts');
    return printing('carillon vapid\n\nMakes a VAPID key pair for push_notifications.webpush.', () =>
      JSON.stringify(generateVapidKeys(), null, 2),
    );
  },
  version: async () => printing('carillon version', () => VERSION),
  help: async () => printing(HELP, () => HELP),
};
const ALIASES: Readonly<Record<string, string>> = { '--version': 'version', '--help': 'help', '-h': 'help' };

/** Runs one command line; gives back the exit code, or undefined while a server runs. */
export async function main(args: readonly string[]): Promise<number | undefined> {
  const [given = 'help', ...rest] = args;
  const name = ALIASES[given] ?? given;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    console.error(`Unknown command ${JSON.stringify(given)}.\n\n${HELP}`);
    return 2;
  }
  try {
    const command = await load();
    if (!rest.includes('--help') && !rest.includes('-h')) return await command.run(rest);
    console.log(command.help);
    return 0;
  } catch (error) {
    console.error(`carillon ${name}: ${wordsOf(error)}`);
    if (error instanceof CommandError) return error.exitCode;
    return String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  }
}

function printing(help: string, text: () => string): Command {
  return {
    help,
    async run(args) {
      parseArgs({ args: [...args] });
      console.log(text());
      return 0;
    },
  };
}
