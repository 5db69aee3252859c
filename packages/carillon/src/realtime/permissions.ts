import type { Channel } from './channels.ts';

/** Whether a namespace lets a client publish, or read presence or history (client-protocol, section 4). */
export function clientMay(
  action: 'publish' | 'presence' | 'history',
  { options }: Channel,
  user: string,
  subscribed: boolean,
): boolean {
  if (user === '' && !options[`allow_${action}_for_anonymous`]) return false;
  if (options[`allow_${action}_for_client`]) return true;
  if (options[`allow_${action}_for_subscriber`] && subscribed) return true;
  return user === '' && options[`allow_${action}_for_anonymous`];
}
