/** The files in deploy/, each before the program that reads it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, suite, test } from 'node:test';
import { loadConfig } from 'carillon';
import { nginxPath } from '../scripts/setup/system-packages.ts';
import { type ComposeAnswer, composeConfig, DEPLOY, environmentOf, makeEnvFile } from './support/compose.ts';
import { queriesOf } from './support/dashboard.ts';
import { buildStage, entryOf } from './support/image.ts';
import { nginxConfiguration } from './support/nginx.ts';
import { missing } from './support/requires.ts';

const ROOT = join(DEPLOY, '..');
const COMPOSE = readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'deploy-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const SECRETS = [
  'POSTGRES_PASSWORD',
  'REDIS_PASSWORD',
  'CARILLON_API_KEY',
  'CARILLON_TOKEN_SECRET',
  'VAPID_PUBLIC_KEY',
  'VAPID_PRIVATE_KEY',
  'GRAFANA_PASSWORD',
];

suite('make-env.mjs', () => {
  const fresh = () => {
    const file = makeEnvFile(mkdtempSync(join(folder, 'env-')));
    return { file, text: readFileSync(file, 'utf8') };
  };
  const secretIn = (name: string, text: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';

  test('fills in every secret, another one each time, that may stand in a URL', () => {
    const [one, other] = [fresh().text, fresh().text];
    for (const name of SECRETS) {
      assert.match(secretIn(name, one), /^[\w-]{43,}$/, name);
      assert.notEqual(secretIn(name, one), secretIn(name, other), name);
    }
  });

  test('lets nobody but the owner read it, and leaves a .env that is there as it is', () => {
    const { file, text } = fresh();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const again = spawnSync(process.execPath, [join(DEPLOY, 'make-env.mjs'), dirname(file)], {
      encoding: 'utf8',
    });
    assert.equal(again.status, 1);
    assert.match(again.stderr, /is there already/);
    assert.equal(readFileSync(file, 'utf8'), text);
  });

  test('.env.example has no secret in it, and no variable that compose.yaml does not read', () => {
    const example = readFileSync(join(DEPLOY, '.env.example'), 'utf8');
    for (const [, name = ''] of example.matchAll(/^(\w+)=/gm))
      assert.ok(name === 'COMPOSE_PROFILES' || COMPOSE.includes(`\${${name}`), `${name} is read`);
    for (const name of SECRETS) assert.match(example, new RegExp(`^${name}=$`, 'm'));
  });
});

suite('compose.yaml', { skip: missing('docker-compose') }, () => {
  const envFile = makeEnvFile(mkdtempSync(join(folder, 'compose-')));
  const plain = once(() => composeConfig(envFile));

  test('is valid, with Kafka and without', () => {
    const services = ({ status, text }: ComposeAnswer) => {
      assert.equal(status, 0, text);
      return [...text.slice(text.indexOf('services:')).matchAll(/^ {2}([\w-]+):$/gm)].map(([, name]) => name);
    };
    const names = services(plain());
    for (const name of [
      'nginx',
      'grandchat',
      'carillon',
      'worker',
      'postgres',
      'redis',
      'prometheus',
      'grafana',
    ])
      assert.ok(names.includes(name), name);
    const withKafka = services(composeConfig(envFile, 'kafka'));
    for (const name of ['kafka', 'connect', 'connector']) assert.ok(withKafka.includes(name), name);
  });

  test('starts nothing while a secret is missing', () => {
    const { status, text } = composeConfig(join(DEPLOY, '.env.example'));
    assert.notEqual(status, 0);
    assert.match(text, /see \.env\.example/);
    for (const name of [...SECRETS, 'WEBPUSH_SUBJECT', 'GRANDCHAT_ORIGIN'])
      assert.ok(COMPOSE.includes(`\${${name}:?see .env.example}`), `${name} is asked for`);
    assert.doesNotMatch(COMPOSE, /\$\{\w*(PASSWORD|SECRET|KEY)\w*:?-/, 'no secret has a default');
  });

  test('gives Carillon and its workers nothing but options that there are, with values that are allowed', async () => {
    const { text } = plain();
    for (const service of ['carillon', 'worker']) {
      const env = environmentOf(service, text);
      assert.ok(Object.keys(env).length > 5, service);
      for (const file of globSync(['apps/grandchat/carillon*.json', 'deploy/carillon*.json'], {
        cwd: ROOT,
      })) {
        const { config, warnings } = await loadConfig({ file: join(ROOT, file), env });
        assert.deepEqual(warnings, [], file);
        assert.equal(config.engine.type, 'redis');
      }
    }
  });

  test('gives GrandChat nothing but variables that it reads', () => {
    const sources = globSync('apps/grandchat/server/src/**/*.ts', { cwd: ROOT })
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .join('');
    const names = Object.keys(environmentOf('grandchat', plain().text));
    assert.ok(names.length > 5);
    for (const name of names) assert.match(sources, new RegExp(`\\b${name}\\b`), name);
  });

  test('has the configuration for Kafka that GrandChat has, but for the address', () => {
    const [grandchat, deploy] = ['apps/grandchat', 'deploy'].map((path) =>
      readFileSync(join(ROOT, path, 'carillon-kafka.json'), 'utf8'),
    );
    assert.equal(deploy, grandchat?.replace('localhost:9092', 'kafka:9092'));
  });

  test('mounts files that are there', () => {
    const mounted = [...COMPOSE.matchAll(/(\.\/[\w./-]+):\/[^"\s]*:ro/g)].map(([, path]) => path as string);
    assert.ok(mounted.length >= 5);
    for (const path of mounted) assert.ok(existsSync(join(DEPLOY, path)), path);
  });
});

test('nginx takes its configuration', { skip: missing('nginx') }, () => {
  const file = join(folder, 'nginx.conf');
  const nodes = { grandchat: ['127.0.0.1:9000'], carillon: ['127.0.0.1:8000'] };
  writeFileSync(file, nginxConfiguration({ ...nodes, port: 8080, folder }));
  const { status, stderr } = spawnSync(nginxPath() ?? '', ['-t', '-c', file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

suite('Prometheus', { skip: missing('prometheus') }, () => {
  test('takes its configuration', () => {
    execFileSync('promtool', ['check', 'config', join(DEPLOY, 'prometheus/prometheus.yml')], {
      stdio: 'pipe',
    });
  });

  test('can read every query of the dashboard', () => {
    const rules = queriesOf(join(DEPLOY, 'grafana/dashboards/carillon.json')).map(({ expr }, index) => ({
      record: `panel:query${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }));
    assert.ok(rules.length > 20);
    const file = join(folder, 'rules.json');
    // JSON is YAML, too.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});

suite('Grafana', () => {
  test('finds the dashboard’s data source under the name that is provisioned', () => {
    const provisioned = readFileSync(
      join(DEPLOY, 'grafana/provisioning/datasources/prometheus.yaml'),
      'utf8',
    );
    const uid = /uid: (\S+)/.exec(provisioned)?.[1];
    for (const { datasource, title } of queriesOf(join(DEPLOY, 'grafana/dashboards/carillon.json')))
      assert.equal(datasource.uid, uid, title);
  });

  test('has panels that do not lie over each other', () => {
    const { panels } = JSON.parse(readFileSync(join(DEPLOY, 'grafana/dashboards/carillon.json'), 'utf8')) as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x},${y}`), undefined, title);
          taken.set(`${x},${y}`, title);
        }
    }
  });
});

suite('Dockerfile', () => {
  const docker = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8');
  // Without the checkout's own Node and packages in the way.
  const start = (stage: string, ...args: string[]) => {
    const root = buildStage(stage, mkdtempSync(join(folder, 'image-')));
    const [, ...entry] = entryOf(stage);
    return spawnSync(process.execPath, [...entry, ...args], {
      cwd: join(root, 'app'),
      encoding: 'utf8',
      env: { CARILLON_DATA_DIR: folder },
    });
  };

  test('copies all that Carillon needs to run', () => {
    const { stdout, stderr } = start('carillon', 'version');
    assert.match(stdout, /^\d+\.\d+\.\d+ Carillon$/m, stderr);
  });

  test('builds the front end, and copies all that GrandChat needs to run', () => {
    const { stderr } = start('grandchat');
    assert.match(stderr, /^GrandChat could not start: DATABASE_URL is not set/);
  });

  test('knows every workspace, since npm ci needs all of their manifests', () => {
    const { workspaces } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      workspaces: string[];
    };
    for (const manifest of globSync(
      workspaces.map((path) => `${path}/package.json`),
      { cwd: ROOT },
    ))
      assert.ok(docker.includes(`COPY ${manifest} `), manifest);
  });

  test('runs as nobody who could change the programs', () => {
    const base = docker.slice(docker.indexOf(' AS base'));
    assert.match(base.slice(0, base.indexOf('FROM ')), /^USER node$/m);
    assert.doesNotMatch(base, /^USER root$/m);
  });
});

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
