import type { PushConfig } from '../../config/config.ts';
import type { ProviderName, ProviderRules, SenderProviders } from './provider.ts';
import { webPushRules } from './webpush/index.ts';

/** What the API checks, for each provider that is enabled. */
export function providerRules(config: PushConfig): Map<ProviderName, ProviderRules> {
  const rules = new Map<ProviderName, ProviderRules>();
  if (config.enabled_providers.includes('webpush')) rules.set('webpush', webPushRules(config.webpush));
  return rules;
}

/** What the sender threads need to know, of each provider that is enabled. */
export function senderProviders(config: PushConfig): SenderProviders {
  return config.enabled_providers.includes('webpush') ? { webpush: config.webpush } : {};
}
