import type { ApnsConfig } from '../../../config/config.ts';
import type { ProviderMessage, ProviderRules } from '../provider.ts';
import { parseDeviceToken } from './device-token.ts';
import { prepareMessage, withCollapseId } from './message.ts';

/** What the API checks of APNs before it stores a device or queues a push. */
export function apnsRules(config: ApnsConfig): ProviderRules {
  const options = { bundleId: config.bundle_id, authType: config.auth_type };
  return {
    name: 'apns',
    parseToken: parseDeviceToken,
    checkMessage(message, field) {
      prepareMessage(message, field, options);
      return message as ProviderMessage;
    },
    withCollapseKey: withCollapseId,
  };
}
