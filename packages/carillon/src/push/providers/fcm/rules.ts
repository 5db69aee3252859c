import type { FcmConfig } from '../../../config/config.ts';
import { badRequest } from '../../../errors.ts';
import { show } from '../message-fields.ts';
import { checkCondition, checkToken } from '../native-target.ts';
import type { ProviderRules } from '../provider.ts';
import { checkMessage, withCollapseKey } from './message.ts';

const TOPIC = /^[a-zA-Z0-9_.~%-]{1,900}$/;
/** SDKs write topics with it; the wire has them without. */
const TOPIC_PREFIX = '/topics/';

/** What the API checks of FCM before it stores a device or queues a push. No option changes it. */
export function fcmRules(_config: FcmConfig): ProviderRules {
  return {
    name: 'fcm',
    parseToken: (token, field) => ({ token: checkToken(token, field) }),
    parseNative(kind, value, field) {
      if (kind === 'topic') {
        const topic = value.startsWith(TOPIC_PREFIX) ? value.slice(TOPIC_PREFIX.length) : value;
        checkTopic(topic, field);
        return { token: topic, kind };
      }
      checkCondition(value, field, (topic) => checkTopic(topic, field));
      return { token: value, kind };
    },
    checkMessage,
    withCollapseKey,
  };
}

function checkTopic(topic: string, field: string): void {
  if (TOPIC.test(topic)) return;
  throw badRequest(field, `a topic must be 1 to 900 characters of A-Z a-z 0-9 - _ . ~ %, got ${show(topic)}`);
}
