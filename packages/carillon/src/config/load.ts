import { readFile } from 'node:fs/promises';
import type { Config } from './config.ts';
import { applyEnvironment } from './environment.ts';
import type { Findings } from './option.ts';
import { CONFIG } from './options.ts';
import { validateConfig } from './validate.ts';

/** Thrown when the server must not start as configured; the message lists every problem. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `configuration: ${problems[0]}`
        : `configuration has ${problems.length} problems:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

export interface LoadedConfig {
  readonly config: Config;
  /** Unknown keys and the like, in words; the server starts all the same. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration: defaults, then the file (JSON), then the environment.
 * @throws ConfigError naming every wrong key, its value and what is allowed
 */
export async function loadConfig(source: { file?: string; env?: NodeJS.ProcessEnv }): Promise<LoadedConfig> {
  return resolveConfig(source.file ? await readJson(source.file) : {}, source.env ?? {});
}

/** The same for a configuration that is at hand already. */
export function resolveConfig(value: unknown, env: NodeJS.ProcessEnv = {}): LoadedConfig {
  const findings: Findings = { problems: [], warnings: [] };
  const config = CONFIG.read(applyEnvironment(CONFIG, value, env, findings.warnings), '', findings);
  const problems = [...findings.problems, ...(findings.problems.length === 0 ? validateConfig(config) : [])];
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, warnings: [...findings.warnings, ...risks(config)] };
}

async function readJson(file: string): Promise<unknown> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError([`${file} cannot be read: ${(error as Error).message}`]);
  }
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new ConfigError([`${file} is not valid JSON: ${(error as Error).message}`]);
  }
}

/** Settings that open a door; said at every start. */
function risks({ http_api, grpc_api, client, push_notifications: push }: Config): string[] {
  const warnings: string[] = [];
  if (http_api.insecure)
    warnings.push('http_api.insecure is on: anybody who reaches the port may use the server API');
  if (grpc_api.enabled && grpc_api.insecure)
    warnings.push('grpc_api.insecure is on: anybody who reaches its port may use the server API');
  if (client.insecure) warnings.push('client.insecure is on: clients may do everything without a token');
  const sections = { webpush: push.webpush };
  for (const [name, { webpush }] of Object.entries(push.apps)) {
    if (webpush) Object.assign(sections, { [`apps.${name}.webpush`]: webpush });
  }
  for (const [section, { insecure_endpoint_origins: origins, emulator_address: emulator }] of Object.entries(
    sections,
  )) {
    if (emulator) {
      warnings.push(
        `push_notifications.${section}.emulator_address sends every web push to ${emulator} instead of its push service: for tests only`,
      );
    }
    if (origins.length === 0) continue;
    warnings.push(
      `push_notifications.${section}.insecure_endpoint_origins lifts all checks of push endpoints for ${origins.join(', ')}: for tests only`,
    );
  }
  return warnings;
}
