import { ConfigError } from '../../config/load.ts';

/** An option of a provider that the server must not start with, e.g. `fcm.credentials_file`. */
export function optionError(option: string, reason: string): ConfigError {
  return new ConfigError([`push_notifications.${option} ${reason}`]);
}
