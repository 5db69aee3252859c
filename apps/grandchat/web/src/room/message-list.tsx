import { Fragment, useMemo, useState } from 'react';
import type { Room } from '../api/types.ts';
import { useChat, useStore } from '../app/context.ts';
import { DownIcon } from '../components/icons.tsx';
import { dayName } from '../components/times.ts';
import { firstUnread, groupMessages, shownMessages } from '../store/grouping.ts';
import type { Conversation } from '../store/state.ts';
import { Announcer } from './announcer.tsx';
import { Group } from './message-group.tsx';
import { useMessageScroll } from './use-message-scroll.ts';
import { useReading, useUnreadLine } from './use-reading.ts';

export function MessageList({ room, conversation }: { room: Room; conversation: Conversation }) {
  const chat = useChat();
  const me = useStore((state) => state.user);
  const pending = useStore((state) => state.pending);
  const { messages, hasOlder } = conversation;
  const [atBottom, setAtBottom] = useState(false);
  const line = useUnreadLine(room, atBottom, me?.id);
  const unreadId = line === undefined ? undefined : firstUnread(messages, line, me?.id);
  const own = useMemo(() => pending.filter(({ roomId }) => roomId === room.id), [pending, room.id]);
  const days = useMemo(
    () => groupMessages(shownMessages(messages, own, me), unreadId),
    [messages, own, me, unreadId],
  );
  const newest = messages.at(-1);
  const scroll = useMessageScroll({
    oldestId: messages[0]?.id,
    newestId: newest?.id,
    pendingCount: own.length,
    newestIsOwn: newest?.user.id === me?.id,
    unreadId,
    onAtBottom: setAtBottom,
    onNearTop: () => void (hasOlder && chat.loadOlder(room.id)),
  });
  useReading(room, atBottom);

  return (
    <div className="messages-frame">
      <section
        className="messages"
        ref={scroll.ref}
        onScroll={scroll.onScroll}
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
            {groups.map((group) => (
              <Fragment key={group.key}>
                {group.messages[0]?.id === unreadId && (
                  <div className="unread-line" data-unread>
                    <span>New</span>
                  </div>
                )}
                <Group group={group} isOwn={group.author.id === me?.id} />
              </Fragment>
            ))}
          </section>
        ))}
      </section>
      <Announcer room={room} ownId={me?.id} />
      {!atBottom && (
        <button type="button" className="jump" onClick={scroll.jump}>
          <DownIcon />
          {room.unread_count > 0 ? `${room.unread_count} new` : 'Latest'}
        </button>
      )}
    </div>
  );
}
