import { badRequest } from '../../errors.ts';
import { appOf, laneOf, type ProviderLane, providerOf } from './lanes.ts';
import type { ProviderName, ProviderRules } from './provider.ts';

/**
 * The rules of a provider in an app.
 *
 * @param field what asked for the provider, e.g. `notification.fcm`
 * @throws ApiError 107 naming `app` or `field`, and what there is
 */
export function rulesFor(
  rules: ReadonlyMap<ProviderLane, ProviderRules>,
  provider: string,
  app: string,
  field: string,
): ProviderRules {
  const found = rules.get(laneOf(provider as ProviderName, app));
  if (found) return found;
  const lanes = [...rules.keys()];
  const apps = [...new Set(lanes.map(appOf))].filter((name) => name !== '');
  if (app !== '' && !apps.includes(app)) {
    throw badRequest(
      'app',
      `must be one of ${apps.join(', ') || 'none'} (push_notifications.apps), or absent for the default app, got ${JSON.stringify(app.slice(0, 64))}`,
    );
  }
  const enabled = lanes.filter((lane) => appOf(lane) === app).map(providerOf);
  const where = app === '' ? 'here' : `in the app ${app}`;
  throw badRequest(
    field,
    `provider ${provider.slice(0, 64)} is not enabled ${where}; enabled: ${enabled.join(', ') || 'none'}`,
  );
}
