import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import type { Room } from '../api/types.ts';
import { useChat, useStore } from '../app/context.ts';
import { DownIcon } from '../components/icons.tsx';
import { dayName } from '../components/times.ts';
import { firstUnread, groupMessages } from '../store/grouping.ts';
import type { Conversation } from '../store/state.ts';
import { Group } from './message-group.tsx';
import { PendingMessages } from './pending-messages.tsx';
import { useMessageScroll } from './use-message-scroll.ts';

export function MessageList({ room, conversation }: { room: Room; conversation: Conversation }) {
  const chat = useChat();
  const ownId = useStore((state) => state.user?.id);
  const pending = useStore((state) => state.pending);
  const { messages, hasOlder } = conversation;
  // Where we had read to when the room was opened: the line stays there while we are in the room.
  const [readAtOpen] = useState(room.last_read_id);
  const hadUnread = useRef(room.unread_count > 0).current;
  const unreadId = hadUnread ? firstUnread(messages, readAtOpen, ownId) : undefined;
  const days = useMemo(() => groupMessages(messages, unreadId), [messages, unreadId]);
  const own = useMemo(() => pending.filter(({ roomId }) => roomId === room.id), [pending, room.id]);
  const newest = messages.at(-1);
  const scroll = useMessageScroll({
    oldestId: messages[0]?.id,
    newestId: newest?.id,
    pendingCount: own.length,
    newestIsOwn: newest?.user.id === ownId,
    unreadId,
    onNearTop: () => void (hasOlder && chat.loadOlder(room.id)),
  });
  useReading(room, scroll.atBottom);

  let line: ReactNode;
  return (
    <div className="messages-frame">
      <div
        className="messages"
        ref={scroll.ref}
        onScroll={scroll.onScroll}
        role="log"
        aria-label={`Messages in ${room.name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
      >
        {hasOlder ? (
          <p className="edge muted">Loading older messages …</p>
        ) : (
          <p className="edge muted">This is where {room.name} begins.</p>
        )}
        {days.map(({ key, date, groups }) => (
          <section key={key} className="day">
            <h2 className="day-line">
              <time dateTime={key}>{dayName(date)}</time>
            </h2>
            {groups.map((group) => {
              line = group.messages[0]?.id === unreadId && (
                <div className="unread-line" data-unread>
                  <span>New</span>
                </div>
              );
              return (
                <div key={group.key}>
                  {line}
                  <Group group={group} isOwn={group.author.id === ownId} />
                </div>
              );
            })}
          </section>
        ))}
        <PendingMessages pending={own} />
      </div>
      {!scroll.atBottom && (
        <button type="button" className="jump" onClick={scroll.jump}>
          <DownIcon />
          {room.unread_count > 0 ? `${room.unread_count} new` : 'Latest'}
        </button>
      )}
    </div>
  );
}

/** A room is read when its end is before somebody's eyes. */
function useReading(room: Room, atBottom: boolean): void {
  const chat = useChat();
  const { id, unread_count: unread } = room;
  const newestId = room.last_message?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new message is to be read anew
  useEffect(() => {
    const look = () => {
      if (atBottom && document.visibilityState === 'visible' && document.hasFocus()) void chat.markRead(id);
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
