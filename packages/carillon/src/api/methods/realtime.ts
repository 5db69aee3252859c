import type { Realtime } from '../../realtime/realtime.ts';
import type { Method } from '../method.ts';
import { connectionMethods } from './realtime-connections.ts';
import { historyMethods } from './realtime-history.ts';
import { publishMethods } from './realtime-publish.ts';

/** The real-time half of the server API (server-api, section 6). */
export function realtimeMethods(realtime: Realtime): Method[] {
  return [...publishMethods(realtime), ...historyMethods(realtime), ...connectionMethods(realtime)];
}
