import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PushConfig } from '../config/config.ts';
import { ConfigError } from '../config/load.ts';
import { loadSecrets } from '../config/secrets.ts';
import { createProvider, type ProviderSetup, providerSetups } from '../push/providers/index.ts';
import { generateVapidKeys } from '../push/providers/webpush/index.ts';
import { CONFIG_OPTION, type Command, dataDirectory, readConfig } from './command.ts';

export const checkConfigCommand: Command = {
  help: `carillon check-config [--config config.json]

Reads the configuration and the keys that it names, says what is wrong, and starts nothing. It ends with 1 when the
server would not start as configured. What only a push service can tell, such as a revoked key, it does not find out.`,

  async run(args) {
    const { values } = parseArgs({ args: [...args], options: CONFIG_OPTION });
    const { file, config, warnings } = await readConfig(values.config);
    for (const warning of warnings) console.warn(`warning: ${warning}`);
    const providers = await checkProviders(config.push_notifications);
    console.log(`${file ?? 'The environment'} is a valid configuration.`);
    if (providers.length > 0) console.log(`Keys can be read and used: ${providers.join(', ')}.`);
    return 0;
  },
};

/**
 * Makes every provider as the server would, and closes it again.
 *
 * @returns the sections of the providers, e.g. `webpush`, `apps.shop.fcm`
 * @throws ConfigError with the problems of all of them
 */
async function checkProviders(config: PushConfig): Promise<string[]> {
  if (!config.enabled) return [];
  const setups = providerSetups({ ...config, webpush: await withVapidKeys(config.webpush) });
  const problems: string[] = [];
  for (const setup of setups) {
    try {
      await createProvider(setup).close();
    } catch (error) {
      problems.push(...problemsOf(error as Error, setup));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return setups.map(({ section }) => section);
}

/** Keys that are not configured are those of the first start; before it, any will do. */
async function withVapidKeys(config: PushConfig['webpush']): Promise<PushConfig['webpush']> {
  if (config.vapid_public_key) return config;
  const dataDir = dataDirectory();
  const hasStarted = existsSync(join(dataDir, 'secrets.json'));
  const { publicKey, privateKey } = hasStarted ? (await loadSecrets(dataDir)).vapid : generateVapidKeys();
  return { ...config, vapid_public_key: publicKey, vapid_private_key: privateKey };
}

function problemsOf(error: Error, { section }: ProviderSetup): readonly string[] {
  if (error instanceof ConfigError) return error.problems;
  const path = `push_notifications.${section}`;
  return [error.message.startsWith(path) ? error.message : `${path}: ${error.message}`];
}
