/** The programs of the system that the tests use: which are there, and how to get the rest. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { hasKafkaJars } from './kafka-jars.ts';

export type Service =
  | 'postgresql'
  | 'redis'
  | 'firefox'
  | 'chromium'
  | 'dbus'
  | 'kafka'
  | 'python'
  | 'docker-compose'
  | 'nginx'
  | 'prometheus';

interface SystemPackage {
  readonly service: Service;
  readonly debian: readonly string[];
  readonly found: () => boolean;
}

const PACKAGES: readonly SystemPackage[] = [
  {
    service: 'python',
    debian: ['python3', 'python3-pip'],
    found: () => spawnSync('python3', ['-c', 'import pip'], { stdio: 'ignore' }).status === 0,
  },
  { service: 'postgresql', debian: ['postgresql'], found: () => postgresBin() !== undefined },
  { service: 'redis', debian: ['redis-server'], found: () => which('redis-server') !== undefined },
  { service: 'firefox', debian: ['firefox-esr'], found: () => firefoxPath() !== undefined },
  { service: 'chromium', debian: ['chromium'], found: () => chromiumPath() !== undefined },
  {
    service: 'dbus',
    debian: ['dbus', 'libnotify4'],
    found: () => which('dbus-daemon') !== undefined && globSync('/usr/lib{,/*,64}/libnotify.so.4').length > 0,
  },
  {
    // Kafka itself comes from Maven's repository: kafka-jars.ts.
    service: 'kafka',
    debian: ['default-jre-headless', 'maven'],
    found: () => which('java') !== undefined && (hasKafkaJars() || which('mvn') !== undefined),
  },
  // These three look at the files in deploy/.
  { service: 'docker-compose', debian: ['docker-compose'], found: () => composeCommand() !== undefined },
  { service: 'nginx', debian: ['nginx-light'], found: () => nginxPath() !== undefined },
  { service: 'prometheus', debian: ['prometheus'], found: () => which('promtool') !== undefined },
];

/**
 * Installs what is missing where that is possible (root on Debian or Ubuntu, unless forbidden) and says so.
 * @returns the services that are still missing
 */
export function ensureSystemPackages({ install }: { install: boolean }): Service[] {
  const missing = PACKAGES.filter((entry) => !entry.found());
  if (missing.length === 0) return [];
  const names = missing.flatMap((entry) => entry.debian);
  if (!install || process.getuid?.() !== 0 || which('apt-get') === undefined) {
    console.log(
      `Missing on this machine: ${names.join(', ')} (Debian's names). Tests that need them are skipped.`,
    );
    console.log(`To get them: sudo apt-get update && sudo apt-get install ${names.join(' ')}`);
    return missing.map((entry) => entry.service);
  }
  console.log(`Installing system packages by apt-get: ${names.join(' ')} (--no-install forbids it) …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['-qq', 'update'], { stdio: 'inherit', env });
  spawnSync('apt-get', ['-qq', '-y', '--no-install-recommends', 'install', ...names], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  });
  const still = PACKAGES.filter((entry) => !entry.found());
  if (still.length > 0) {
    console.log(`apt-get did not bring: ${still.flatMap((entry) => entry.debian).join(', ')}.`);
  }
  return still.map((entry) => entry.service);
}

export function firefoxPath(): string | undefined {
  return which('firefox-esr') ?? which('firefox');
}

export function chromiumPath(): string | undefined {
  return which('chromium') ?? which('chromium-browser') ?? which('google-chrome');
}

/** The folder with `initdb` and `pg_ctl`, which Debian keeps out of PATH. */
export function postgresBin(): string | undefined {
  const versions = globSync('/usr/lib/postgresql/*/bin/initdb').sort(
    (a, b) => Number(b.split('/')[4]) - Number(a.split('/')[4]),
  );
  const initdb = versions[0] ?? which('initdb');
  return initdb?.replace(/\/initdb$/, '');
}

/** How Compose is called on this machine: `docker compose`, or the older program of its own. */
export function composeCommand(): readonly [string, ...string[]] | undefined {
  if (which('docker') && spawnSync('docker', ['compose', 'version']).status === 0)
    return ['docker', 'compose'];
  return which('docker-compose') ? ['docker-compose'] : undefined;
}

/** Debian keeps it out of the PATH of those who are not root. */
export function nginxPath(): string | undefined {
  return which('nginx') ?? ['/usr/sbin/nginx'].find((path) => existsSync(path));
}

export function which(program: string): string | undefined {
  return process.env.PATH?.split(':')
    .map((folder) => `${folder}/${program}`)
    .find((path) => existsSync(path));
}
