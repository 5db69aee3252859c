/**
 * `npm start`: GrandChat and Carillon, ready to use.
 *
 * Without DATABASE_URL both run in this process on the embedded database (only one process can hold it). With it they
 * are two processes on that PostgreSQL, as they would be in production; if one ends, so does the other.
 */
import { buildWeb, WEB_ROOT } from './setup/build-web.ts';
import { type Running, runEmbedded } from './start/embedded.ts';
import { runSeparately } from './start/separate.ts';
import { settingsFromEnvironment } from './start/settings.ts';

const started = performance.now();
const settings = settingsFromEnvironment(process.env, { webRoot: WEB_ROOT });

try {
  await buildWeb();
  console.log(
    settings.databaseUrl
      ? 'Starting on PostgreSQL …'
      : 'Starting on the embedded database (a first start takes a few seconds) …',
  );
  const running = settings.databaseUrl
    ? await runSeparately(settings, settings.databaseUrl)
    : await runEmbedded(settings);
  printBlock(running);
  stopOnSignal(running);
} catch (error) {
  console.error(`\nCould not start: ${(error as Error).message}`);
  process.exit(1);
}

function printBlock({ demoAccounts }: Running): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const lines = [
    `GrandChat   ${settings.origin}`,
    `Carillon    ${settings.carillonUrl}`,
    `Data        ${settings.databaseUrl ? `PostgreSQL, secrets in ${settings.dataDir}` : settings.dataDir}`,
  ];
  if (demoAccounts.length > 0) {
    lines.push(
      '',
      'Demo accounts:',
      ...demoAccounts.map(({ username, password }) => `  ${username.padEnd(8)} password ${password}`),
    );
  }
  const rule = '─'.repeat(64);
  console.log(`\n${rule}\n${lines.join('\n')}\n${rule}\nReady after ${seconds} s. Ctrl+C stops both.`);
}

function stopOnSignal(running: Running): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) process.exit(1);
    stopping = true;
    console.log('\nStopping … (once more ends it at once)');
    await running.close();
    process.exit(0);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  running.ended.then((words) => {
    if (stopping) return;
    console.error(`\n${words}`);
    process.exit(1);
  });
}
