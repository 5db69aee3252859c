import type { WebPushConfig } from '../../../config/config.ts';
import type { ProviderRules } from '../provider.ts';
import { createEndpointRules } from './endpoint-rules.ts';
import { checkMessage, withTopic } from './message.ts';
import { parseSubscription } from './subscription.ts';

/** What the API checks of web push before it stores a device or queues a push. */
export function webPushRules(config: WebPushConfig, section?: string): ProviderRules {
  const rules = createEndpointRules(config, section);
  return {
    name: 'webpush',
    parseToken: (token, field) => parseSubscription(token, field, rules),
    checkMessage,
    withCollapseKey: withTopic,
  };
}
