import type { ProviderConfigs, PushConfig } from '../../config/config.ts';
import { apnsRules, createApnsProvider } from './apns/index.ts';
import { createFcmProvider, fcmRules } from './fcm/index.ts';
import { createHmsProvider, hmsRules } from './hms/index.ts';
import { laneOf, type ProviderLane } from './lanes.ts';
import { PROVIDER_NAMES, type Provider, type ProviderName, type ProviderRules } from './provider.ts';
import { createWebPushProvider, webPushRules } from './webpush/index.ts';

/** One provider of one app, with what it needs. Plain data: it crosses to the sender threads. */
export type ProviderSetup = {
  [Name in ProviderName]: {
    readonly provider: Name;
    readonly lane: ProviderLane;
    /** Where its options are, below `push_notifications`: `fcm`, or `apps.shop.fcm`. */
    readonly section: string;
    readonly config: ProviderConfigs[Name];
  };
}[ProviderName];

/** Every provider that is to be had: the default app's that are enabled, and those that the others have a section for. */
export function providerSetups(config: PushConfig): readonly ProviderSetup[] {
  const setup = (provider: ProviderName, app: string, section: string, from: Partial<ProviderConfigs>) =>
    ({ provider, lane: laneOf(provider, app), section, config: from[provider] }) as ProviderSetup;
  const own = config.enabled_providers.map((provider) => setup(provider, '', provider, config));
  const others = Object.entries(config.apps).flatMap(([app, providers]) =>
    PROVIDER_NAMES.filter((provider) => providers[provider]).map((provider) =>
      setup(provider, app, `apps.${app}.${provider}`, providers),
    ),
  );
  return [...own, ...others];
}

/** What the API checks before it stores or queues anything. */
export function providerRules(setups: readonly ProviderSetup[]): ReadonlyMap<ProviderLane, ProviderRules> {
  return new Map(setups.map((setup) => [setup.lane, rulesOf(setup)]));
}

function rulesOf(setup: ProviderSetup): ProviderRules {
  switch (setup.provider) {
    case 'fcm':
      return fcmRules(setup.config);
    case 'hms':
      return hmsRules(setup.config);
    case 'apns':
      return apnsRules(setup.config);
    case 'webpush':
      return webPushRules(setup.config, setup.section);
  }
}

/** @throws ConfigError naming the option that is wrong or missing */
export function createProvider(setup: ProviderSetup): Provider {
  const { section } = setup;
  switch (setup.provider) {
    case 'fcm':
      return createFcmProvider(setup.config, { section });
    case 'hms':
      return createHmsProvider(setup.config, { section });
    case 'apns':
      return createApnsProvider(setup.config, { section });
    case 'webpush':
      return createWebPushProvider(setup.config, { section });
  }
}
