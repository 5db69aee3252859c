import type { Channel } from './channels.ts';

/** Whether a namespace lets a client publish, or read presence or history (client-protocol, section 4). */
export function clientMay(
  action: 'publish' | 'presence' | 'history',
  { options }: Channel,
  user: string,
  subscribed: boolean,
): boolean {
  if (user === '' && !options[`allow_${action}_for_anonymous`]) return false;
  return options[`allow_${action}_for_client`] || (options[`allow_${action}_for_subscriber`] && subscribed);
}

/** Whether a client may subscribe without a token, and without anybody else being asked. */
export function clientMaySubscribe(channel: Channel, user: string): boolean {
  const { options, users } = channel;
  if (isUserLimited(channel)) return user !== '' && (users ?? []).includes(user);
  return options.allow_subscribe_for_client && (user !== '' || options.allow_subscribe_for_anonymous);
}

/** Whether the name lists the users that may be there. Elsewhere `#` is a character like any other. */
export function isUserLimited({ options, users }: Channel): boolean {
  return options.allow_user_limited_channels && users !== undefined;
}
