import { ApiError } from '../../errors.ts';
import type { Push, PushRegistry } from '../../push/push.ts';

/** @throws ApiError 108 when push is off */
export function enabled(push: Push | undefined): Push {
  if (push) return push;
  throw new ApiError('notAvailable', 'push notifications are off: push_notifications.enabled is false');
}

/** @throws ApiError 108 when push is off, or has no devices */
export function withDatabase(push: Push | undefined): PushRegistry {
  const { registry } = enabled(push);
  if (registry) return registry;
  throw new ApiError('notAvailable', 'devices and topics need a database: database.enabled is false');
}
