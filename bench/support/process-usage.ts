/** What a process costs, read from Linux's /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';

/** µs of CPU, user and system, by the name of the thread. */
export type ThreadCpu = ReadonlyMap<string, number>;

/**
 * The CPU that the living threads of a process have used. `schedstat` counts nanoseconds where `stat` counts hundredths
 * of a second; threads that ended are left out, and neither Node's pools nor sender threads end while it runs.
 */
export function cpuByThread(pid: number): ThreadCpu {
  const folder = `/proc/${pid}/task`;
  const threads = new Map<string, number>();
  for (const thread of readdirSync(folder)) {
    try {
      const name = readFileSync(`${folder}/${thread}/comm`, 'utf8').trim();
      const [onCpu] = readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ');
      threads.set(name, (threads.get(name) ?? 0) + Number(onCpu) / 1000);
    } catch (error) {
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return threads;
}

/** µs used between two looks, per name of thread. */
export function cpuBetween(before: ThreadCpu, after: ThreadCpu): ThreadCpu {
  return new Map([...after].map(([name, micros]) => [name, micros - (before.get(name) ?? 0)]));
}

export function totalCpu(threads: ThreadCpu): number {
  return [...threads.values()].reduce((sum, micros) => sum + micros, 0);
}

/** The most memory that a process held at once since its start, in MiB. */
export function peakRssMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
