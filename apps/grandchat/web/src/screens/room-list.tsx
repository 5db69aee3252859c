import { useMemo } from 'react';
import { NavLink } from 'react-router';
import type { Room } from '../api/types.ts';
import { useStore } from '../app/context.ts';
import { Avatar } from '../components/avatar.tsx';
import { Skeleton } from '../components/skeleton.tsx';
import { fullTime, shortTime } from '../components/times.ts';
import { walk } from '../components/walk.ts';
import { sortedRooms } from '../store/rooms.ts';

/** My rooms, newest first; arrow keys walk through them. */
export function RoomList() {
  const rooms = useStore((state) => state.rooms);
  const loaded = useStore((state) => state.roomsLoaded);
  const sorted = useMemo(() => sortedRooms({ rooms } as Parameters<typeof sortedRooms>[0]), [rooms]);
  if (!loaded && sorted.length === 0) return <Skeleton rows={7} kind="rooms" />;
  return (
    <ul className="room-list" data-testid="room-list" onKeyDown={(event) => walk(event, 'a')}>
      {sorted.map((room) => (
        <RoomItem key={room.id} room={room} />
      ))}
      {sorted.length === 0 && (
        <li className="empty">
          <p>You are in no room yet.</p>
          <NavLink to="/search" className="primary-link">
            Discover rooms
          </NavLink>
        </li>
      )}
    </ul>
  );
}

function RoomItem({ room }: { room: Room }) {
  const { id, name, last_message: last, unread_count: unread, bumped_at } = room;
  const ownId = useStore((state) => state.user?.id);
  return (
    <li>
      <NavLink
        to={`/rooms/${id}`}
        className={unread > 0 ? 'room-item unread' : 'room-item'}
        data-testid={`room-item-${id}`}
      >
        <Avatar name={name} seed={id} />
        <span className="room-text">
          <span className="room-line">
            <span className="room-name">{name}</span>
            <time className="room-time" dateTime={bumped_at} title={fullTime(bumped_at)}>
              {shortTime(bumped_at)}
            </time>
          </span>
          <span className="room-line">
            <span className="room-preview">
              {last
                ? `${last.user.id === ownId ? 'You' : last.user.username}: ${last.content}`
                : 'Nothing said yet'}
            </span>
            {unread > 0 && (
              <span className="badge">
                <span aria-hidden="true">{unread > 99 ? '99+' : unread}</span>
                <span className="visually-hidden">{unread} unread</span>
              </span>
            )}
          </span>
        </span>
      </NavLink>
    </li>
  );
}
