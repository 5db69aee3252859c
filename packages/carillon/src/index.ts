/** The package `carillon` for programs that run the server inside their own process. */
export type { Config } from './config/config.ts';
export { parseDuration } from './config/duration.ts';
export { ConfigError, type LoadedConfig, loadConfig, resolveConfig } from './config/load.ts';
export { loadSecrets, type Secrets } from './config/secrets.ts';
export { UnavailableError } from './errors.ts';
export { createHealth, type Health } from './health.ts';
export type { Logger } from './logger.ts';
export { addUserTopics } from './push/devices/topic-changes.ts';
export { type Carillon, type CarillonOptions, createLogger, startCarillon } from './server.ts';
export type { Database, Migration, NotifyListener, Queryable } from './storage/database.ts';
export { migrate } from './storage/migrate.ts';
export { PUSH_MIGRATIONS } from './storage/migrations/push.ts';
export { type DatabaseLocation, openDatabase } from './storage/open.ts';
