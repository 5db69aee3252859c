import type { Push } from '../../push/push.ts';
import type { Method } from '../method.ts';
import { deviceMethods } from './push-devices.ts';
import { sendMethods } from './push-send.ts';
import { statusMethods } from './push-status.ts';
import { topicMethods } from './push-topics.ts';

/** The push notification API. Without push (`undefined`: it is off), every method answers 108. */
export function pushMethods(push: Push | undefined): Method[] {
  return [...deviceMethods(push), ...topicMethods(push), ...sendMethods(push), ...statusMethods(push)];
}
