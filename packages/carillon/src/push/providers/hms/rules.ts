import type { HmsConfig } from '../../../config/config.ts';
import { badRequest } from '../../../errors.ts';
import { show } from '../message-fields.ts';
import { checkCondition, checkToken } from '../native-target.ts';
import type { ProviderRules } from '../provider.ts';
import { checkMessage, withCollapseKey } from './message.ts';

const TOPIC = /^[\p{Script=Han}a-zA-Z0-9_.~%-]{1,900}$/u;

/** What the API checks of HMS before it stores a device or queues a push. No option changes it. */
export function hmsRules(_config: HmsConfig): ProviderRules {
  return {
    name: 'hms',
    parseToken: (token, field) => ({ token: checkToken(token, field) }),
    parseNative(kind, value, field) {
      if (kind === 'topic') checkTopic(value, field);
      else checkCondition(value, field, (topic) => checkTopic(topic, field));
      return { token: value, kind };
    },
    checkMessage,
    withCollapseKey,
  };
}

function checkTopic(topic: string, field: string): void {
  if (TOPIC.test(topic)) return;
  throw badRequest(
    field,
    `a topic must be 1 to 900 characters of A-Z a-z 0-9 - _ . ~ % or Chinese, got ${show(topic)}`,
  );
}
