/** Kafka, Kafka Connect and Debezium for tests: fetched once by Maven into a folder below node_modules. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const POM = join(import.meta.dirname, 'kafka', 'pom.xml');
const CACHE = join(ROOT, 'node_modules', '.cache', 'carillon-kafka');

/** The folder with the jars, for `java -cp <folder>/*`; it is there when they have been fetched. */
export function kafkaJars(): string {
  return join(CACHE, createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 16));
}

export function hasKafkaJars(): boolean {
  return existsSync(kafkaJars());
}

/**
 * Fetches the jars unless they are there (about 60 MB) or it is forbidden, and says so.
 * @returns whether they are there
 */
export async function ensureKafkaJars({ install }: { install: boolean }): Promise<boolean> {
  const folder = kafkaJars();
  if (existsSync(folder)) return true;
  if (!install) {
    console.log(
      'Kafka has not been fetched. Tests that need it are skipped; a run without --no-install fetches it.',
    );
    return false;
  }
  console.log('Fetching Kafka, Kafka Connect and Debezium by Maven (about 60 MB, only once) …');
  mkdirSync(CACHE, { recursive: true });
  // Moved to its place when it is whole: a run that was broken off leaves nothing half.
  const unfinished = `${folder}.${process.pid}`;
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies';
  try {
    await runMaven(['-B', '-f', POM, goal, `-DoutputDirectory=${unfinished}`]);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) console.log((error as Error).message);
  }
  return existsSync(folder);
}

/** Says now and then how many files have come. */
function runMaven(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('mvn', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let words = '';
    let files = 0;
    const onText = (chunk: Buffer) => {
      words = (words + chunk).slice(-4_000);
      for (const _ of chunk.toString().matchAll(/Downloaded from/g)) {
        files += 1;
        if (files % 100 === 0) console.log(`… ${files} files`);
      }
    };
    child.stdout.on('data', onText);
    child.stderr.on('data', onText);
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`Maven could not bring Kafka and Debezium:\n${words}`));
    });
  });
}
