import type { Message, User } from '../api/types.ts';
import type { Pending } from './state.ts';

/** A message as it is shown: the server's, or one of ours on its way there. */
export interface Shown {
  /** The same before and after the server has it, so that nothing jumps when it does. */
  readonly key: string;
  readonly id: number;
  readonly content: string;
  readonly user: User;
  readonly created_at: string;
  readonly pending?: Pending;
}

/** Messages of one author in close succession, shown under one name. */
export interface MessageGroup {
  readonly key: string;
  readonly author: User;
  readonly messages: readonly Shown[];
}

/** A day's groups. */
export interface Day {
  /** `2026-11-24` in local time. */
  readonly key: string;
  readonly date: Date;
  readonly groups: readonly MessageGroup[];
}

const GROUP_GAP_MS = 5 * 60_000;

/** A message is shown by the same object every time, so that what has not changed is not drawn again. */
const SHOWN = new WeakMap<Message, Shown>();

function shown(message: Message): Shown {
  const known = SHOWN.get(message);
  if (known) return known;
  const { id, content, user, client_id, created_at } = message;
  const key = client_id ? `${user.id} ${client_id}` : String(id);
  const made = { key, id, content, user, created_at };
  SHOWN.set(message, made);
  return made;
}

/** The server's messages, then our own that it does not have yet. */
export function shownMessages(
  messages: readonly Message[],
  pending: readonly Pending[],
  me: User | null | undefined,
): Shown[] {
  const sent = messages.map(shown);
  if (!me) return sent;
  const onTheWay = pending.map((each) => ({
    key: `${me.id} ${each.clientId}`,
    id: Number.POSITIVE_INFINITY,
    content: each.content,
    user: me,
    created_at: each.createdAt,
    pending: each,
  }));
  return [...sent, ...onTheWay];
}

/**
 * Groups messages (oldest first) by local day, author and time. A group also ends before `unreadId`, where the unread line is
 * drawn.
 */
export function groupMessages(messages: readonly Shown[], unreadId?: number): Day[] {
  const days: {
    key: string;
    date: Date;
    groups: { key: string; author: User; messages: Shown[] }[];
  }[] = [];
  let previous: Shown | undefined;
  for (const message of messages) {
    const date = new Date(message.created_at);
    const key = dayKey(date);
    let day = days.at(-1);
    if (day?.key !== key) {
      day = { key, date, groups: [] };
      days.push(day);
      previous = undefined;
    }
    const group = day.groups.at(-1);
    const continues =
      previous !== undefined &&
      previous.user.id === message.user.id &&
      date.getTime() - new Date(previous.created_at).getTime() < GROUP_GAP_MS &&
      message.id !== unreadId;
    if (group && continues) group.messages.push(message);
    else day.groups.push({ key: message.key, author: message.user, messages: [message] });
    previous = message;
  }
  return days;
}

export function dayKey(date: Date): string {
  const pad = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** The first message of somebody else above what was read; where the unread line goes. */
export function firstUnread(
  messages: readonly Message[],
  lastReadId: number,
  ownId: number | undefined,
): number | undefined {
  return messages.find(({ id, user }) => id > lastReadId && user.id !== ownId)?.id;
}
