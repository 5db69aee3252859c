import { ask } from './ask.ts';
import type { NotificationContent } from './payload.ts';
import { thisWorker, type WorkerScope, windowsOf } from './scope.ts';

/**
 * Whether the person does not have it before their eyes: no page that has the focus says that the tag is open in it. In
 * doubt it is out of sight, for a notification too many is the lesser evil.
 */
export async function isOutOfSight(
  { tag }: NotificationContent,
  scope: WorkerScope = thisWorker(),
): Promise<boolean> {
  if (tag === undefined) return true;
  const focused = (await windowsOf(scope)).filter((client) => client.focused);
  const answers = await Promise.all(focused.map((client) => ask(client, { type: 'carillon:is-open', tag })));
  return !answers.includes(true);
}
