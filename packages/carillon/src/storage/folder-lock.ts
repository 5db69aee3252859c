import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Thrown when another process has the data folder; the message says who. */
export class FolderLockedError extends Error {
  override name = 'FolderLockedError';
}

/**
 * Takes the data folder for this process. PGlite has no lock of its own, and two processes on one folder lose
 * acknowledged rows. SQLite's exclusive file lock serves: the system drops it when the process dies, `kill -9`
 * included, so no stale lock can keep a server from starting.
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const holderFile = join(folder, 'lock-holder.json');
  const lock = new DatabaseSync(join(folder, 'lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new FolderLockedError(`${folder} is in use by ${describeHolder(holderFile)}`, { cause: error });
  }
  writeFileSync(holderFile, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }));
  return () => {
    rmSync(holderFile, { force: true });
    lock.close();
  };
}

function describeHolder(holderFile: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(holderFile, 'utf8')) as { pid: number; since: string };
    return `process ${pid}, running since ${since}. Stop it first, or choose another folder by CARILLON_DATA_DIR.`;
  } catch {
    return 'another process. Stop it first, or choose another folder by CARILLON_DATA_DIR.';
  }
}
