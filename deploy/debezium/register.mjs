// node register.mjs <connector.json> [--remove]: registers the connector at Kafka Connect (CONNECT_URL) and waits until it
// runs, or removes it. Both go by the name in the file, and both can be repeated. Plain JavaScript, without packages.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 120_000;
const REQUEST_MS = 30_000;
const RETRY_MS = 500;

const [file, flag] = process.argv.slice(2);
const base = process.env.CONNECT_URL;
if (!file || !base || (flag !== undefined && flag !== '--remove')) {
  console.error('CONNECT_URL=http://connect:8083 node register.mjs <connector.json> [--remove]');
  process.exit(2);
}
const { name, config } = JSON.parse(readFileSync(file, 'utf8'));
const connector = `${base.replace(/\/$/, '')}/connectors/${encodeURIComponent(name)}`;
const deadline = Date.now() + DEADLINE_MS;

try {
  if (flag === '--remove') await remove();
  else await register();
} catch (error) {
  console.error(`connector ${name}: ${error.message}`);
  process.exit(1);
}

/** PUT makes the connector or brings it up to date; with the same configuration it changes nothing. */
async function register() {
  const { status } = await ask(
    `${connector}/config`,
    { method: 'PUT', body: JSON.stringify(config) },
    [200, 201],
  );
  await untilRunning();
  console.log(`connector ${name}: ${status === 201 ? 'made' : 'up to date'}, and running`);
}

async function remove() {
  const { status } = await ask(connector, { method: 'DELETE' }, [204, 404]);
  console.log(`connector ${name}: ${status === 404 ? 'was not there' : 'removed'}`);
}

async function untilRunning() {
  for (;;) {
    // 404 for a moment after it was made: its state is not written yet.
    const { status, body } = await ask(`${connector}/status`, {}, [200, 404]);
    const parts = status === 200 ? [body.connector, ...body.tasks] : [];
    const failed = parts.find(({ state }) => state === 'FAILED');
    if (failed) throw new Error(`failed: ${(failed.trace ?? 'without a reason').split('\n')[0]}`);
    if (parts.length > 1 && parts.every(({ state }) => state === 'RUNNING')) return;
    await pause('does not run yet');
  }
}

/** Asks until there is one of the wanted answers; waits while Connect starts (no answer) or rebalances (409, 5xx). */
async function ask(url, init, wanted) {
  for (;;) {
    let words;
    try {
      const response = await fetch(url, {
        ...init,
        headers: { 'content-type': 'application/json' },
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const { status } = response;
      const text = await response.text();
      if (wanted.includes(status)) return { status, body: text && JSON.parse(text) };
      words = `Kafka Connect answered ${status}: ${text.slice(0, 1_000)}`;
      if (status !== 409 && status < 500) throw Object.assign(new Error(words), { final: true });
    } catch (error) {
      if (error.final) throw error;
      words = `Kafka Connect at ${base} does not answer: ${error.cause?.code ?? error.message}`;
    }
    await pause(words);
  }
}

async function pause(words) {
  if (Date.now() > deadline) throw new Error(words);
  await sleep(RETRY_MS);
}
