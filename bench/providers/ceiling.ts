import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SinkAddress } from './messages.ts';

export interface Ceiling {
  readonly perSecond: number;
}

/** What the sink takes from `h2load`, a client in C; undefined where that is not on the machine. */
export async function ceilingOf(
  sink: SinkAddress,
  folder: string,
  requests: number,
): Promise<Ceiling | undefined> {
  if (spawnSync('h2load', ['--version']).error) return undefined;
  const body = join(folder, 'body.json');
  const message = { token: 'x'.repeat(152), notification: { title: 'General', body: 'x'.repeat(75) } };
  writeFileSync(body, JSON.stringify({ message }));
  const args = ['-n', String(requests), '-c', '4', '-m', '100', '-d', body];
  args.push('-H', 'content-type: application/json', `${sink.url}/v1/projects/bench/messages:send`);
  const { stdout } = await promisify(execFile)('h2load', args);
  const perSecond = Number(/([\d.]+) req\/s/.exec(stdout)?.[1]);
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
  if (succeeded !== requests) throw new Error(`h2load: ${succeeded} of ${requests} requests succeeded`);
  return { perSecond };
}
