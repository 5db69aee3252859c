import { useEffect, useRef, useState } from 'react';
import type { Room } from '../api/types.ts';
import { useChat } from '../app/context.ts';

/** Whether somebody is before this window. */
function isAttended(): boolean {
  return document.visibilityState === 'visible' && document.hasFocus();
}

/** A room is read when its end is before somebody's eyes. */
export function useReading(room: Room, atBottom: boolean): void {
  const chat = useChat();
  const { id, unread_count: unread } = room;
  const newestId = room.last_message?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new message is to be read anew
  useEffect(() => {
    const look = () => {
      if (atBottom && isAttended()) void chat.markRead(id);
    };
    look();
    addEventListener('focus', look);
    document.addEventListener('visibilitychange', look);
    return () => {
      removeEventListener('focus', look);
      document.removeEventListener('visibilitychange', look);
    };
  }, [chat, id, atBottom, newestId, unread]);
}

/**
 * The message after which the unread line goes: where we had read to when the room was opened, or when the first message came
 * that nobody was there to see. The line stays while it is being read, and goes when we write.
 */
export function useUnreadLine(room: Room, atBottom: boolean, ownId: number | undefined): number | undefined {
  const { unread_count: unread, last_read_id: readTo, last_message: last } = room;
  const [line, setLine] = useState(unread > 0 ? readTo : undefined);
  const before = useRef({ unread, newestId: last?.id });
  useEffect(() => {
    const { unread: hadUnread, newestId } = before.current;
    before.current = { unread, newestId: last?.id };
    if (last?.id === newestId) return;
    if (last?.user.id === ownId) setLine(undefined);
    else if (hadUnread === 0 && !(atBottom && isAttended())) setLine(readTo);
  }, [unread, readTo, last, atBottom, ownId]);
  return line;
}
