/** `npm run bench [-- latency | webpush]`: measurements, each printed with its conditions. */
import { cpus } from 'node:os';
import { measureLatency } from './latency.ts';
import { run as runWebPush } from './webpush.ts';

const [wanted = 'all'] = process.argv.slice(2);
console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.versions.node}\n`);

if (wanted === 'all' || wanted === 'latency') {
  await latency('embedded database, one process', undefined);
  const dsn = process.env.DATABASE_URL;
  if (dsn) await latency('PostgreSQL, two processes', dsn);
  else console.log('Set DATABASE_URL (an empty database) to measure on PostgreSQL, too.\n');
}
if (wanted === 'all' || wanted === 'webpush') await runWebPush();

async function latency(title: string, dsn: string | undefined): Promise<void> {
  const figures = await measureLatency(dsn);
  console.log(`Latency of a message, ${title}, ${figures.post.length} messages one by one (ms)`);
  console.log('                               p50     p99     max');
  for (const [name, values] of Object.entries({
    "POST's own answer": figures.post,
    'the other WebSocket': figures.websocket,
    "the push service's 201": figures.push,
  })) {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] ?? 0).toFixed(1).padStart(8);
    console.log(`  ${name.padEnd(26)}${at(0.5)}${at(0.99)}${at(1)}`);
  }
  console.log();
}
