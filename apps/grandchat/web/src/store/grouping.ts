import type { Message } from '../api/types.ts';

/** Messages of one author in close succession, shown under one name. */
export interface MessageGroup {
  readonly key: number;
  readonly author: Message['user'];
  readonly messages: readonly Message[];
}

/** A day's groups. */
export interface Day {
  /** `2026-11-24` in local time. */
  readonly key: string;
  readonly date: Date;
  readonly groups: readonly MessageGroup[];
}

const GROUP_GAP_MS = 5 * 60_000;

/**
 * Groups messages (oldest first) by local day, author and time. A group also ends before `unreadId`, where the unread line is
 * drawn.
 */
export function groupMessages(messages: readonly Message[], unreadId?: number): Day[] {
  const days: {
    key: string;
    date: Date;
    groups: { key: number; author: Message['user']; messages: Message[] }[];
  }[] = [];
  let previous: Message | undefined;
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
    else day.groups.push({ key: message.id, author: message.user, messages: [message] });
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
