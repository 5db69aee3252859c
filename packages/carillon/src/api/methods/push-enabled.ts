import { ApiError } from '../../errors.ts';
import type { Push } from '../../push/push.ts';

/** @throws ApiError 108 when push is off */
export function enabled(push: Push | undefined): Push {
  if (push) return push;
  throw new ApiError('notAvailable', 'push notifications are off: push_notifications.enabled is false');
}
