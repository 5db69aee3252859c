import type { MessageShape } from '../rooms/shapes.ts';

const TEXT_LENGTH = 300;
const LIFETIME_S = 24 * 3600;

export interface MessagePushOptions {
  /** Where people reach GrandChat; for links. */
  readonly origin: string;
  /** Whether there are browsers that are reached through Firebase. */
  readonly firebase: boolean;
}

/**
 * The `notification` of `send_push_notification` that tells of a message. Its payload is a declarative push message (W3C Push
 * API): browsers that know the form show it by themselves, elsewhere the service worker reads it.
 *
 * Through Firebase it travels as a data message, whole, as JSON in one value (FCM's values are text): a `notification`
 * would be shown by the SDK's own worker, without tag, merging or the question whether the room is in view, and FCM takes
 * only https for its link.
 */
export function messagePush(
  message: MessageShape,
  roomName: string,
  { origin, firebase }: MessagePushOptions,
): object {
  const { id, user, room } = message;
  const text = cut(message.content);
  const tag = `room-${room.id}`;
  const headers = { TTL: String(LIFETIME_S), Urgency: 'high', Topic: tag };
  const payload = {
    web_push: 8030,
    notification: {
      title: roomName,
      body: `${user.username}: ${text}`,
      navigate: `${origin}/rooms/${room.id}`,
      tag,
      data: {
        type: 'message',
        room_id: room.id,
        room_name: roomName,
        message_id: id,
        author: user.username,
        text,
      },
    },
  };
  return {
    expire_at: Math.floor(Date.now() / 1000) + LIFETIME_S,
    webpush: { headers, payload },
    ...(firebase && {
      fcm: { message: { data: { payload: JSON.stringify(payload) }, webpush: { headers } } },
    }),
  };
}

/** The beginning of a text, for a notification: whole characters, no control characters. */
function cut(text: string): string {
  const characters = [...text.replace(/\p{Cc}+/gu, ' ')];
  if (characters.length <= TEXT_LENGTH) return characters.join('');
  return `${characters.slice(0, TEXT_LENGTH - 1).join('')}…`;
}
