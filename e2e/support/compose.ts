import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeCommand } from '../../scripts/setup/system-packages.ts';

export const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');

export interface ComposeAnswer {
  readonly status: number | null;
  /** The configuration as Compose understands it, every variable filled in; or why it does not. */
  readonly text: string;
}

/** A `.env` in the folder, as `make-env.mjs` writes it, with a contact. */
export function makeEnvFile(folder: string): string {
  execFileSync(process.execPath, [join(DEPLOY, 'make-env.mjs'), folder], { stdio: 'pipe' });
  const file = join(folder, '.env');
  // The later one counts.
  appendFileSync(file, 'WEBPUSH_SUBJECT=mailto:ops@example.com\n');
  return file;
}

/** `docker compose config` on deploy/compose.yaml, with no variable but those of the file. */
export function composeConfig(envFile: string, ...profiles: string[]): ComposeAnswer {
  const command = composeCommand();
  if (!command) throw new Error('no Compose on this machine');
  const [program, ...first] = command;
  const options = profiles.flatMap((profile) => ['--profile', profile]);
  const { status, stdout, stderr } = spawnSync(
    program,
    [...first, '-f', join(DEPLOY, 'compose.yaml'), '--env-file', envFile, ...options, 'config'],
    { encoding: 'utf8', env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/' } },
  );
  return { status, text: status === 0 ? stdout : stderr };
}

/** The environment of a service, from compose.yaml or what `composeConfig` made of it: YAML with a variable a line. */
export function environmentOf(service: string, config: string): Record<string, string> {
  const environment: Record<string, string> = {};
  let at = '';
  let inside = false;
  for (const line of config.split('\n')) {
    const [, indent = '', key = '', rest = ''] = /^( *)([\w.-]+):(.*)$/.exec(line) ?? [];
    if (!key) continue;
    if (indent.length === 2) at = key;
    if (indent.length <= 4) inside = at === service && key === 'environment';
    else if (inside && indent.length === 6) environment[key] = unquoted(rest.trim());
  }
  return environment;
}

/** What deploy/ sets for Kafka Connect, with the coordinates of another database. */
export function connectEnvironment(databaseUrl: string): Record<string, string> {
  const { hostname, port, username, pathname } = new URL(databaseUrl);
  return {
    ...environmentOf('connect', readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8')),
    DATABASE_HOST: hostname,
    DATABASE_PORT: port,
    DATABASE_USER: username,
    DATABASE_PASSWORD: 'of no use here',
    DATABASE_NAME: pathname.slice(1),
  };
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
