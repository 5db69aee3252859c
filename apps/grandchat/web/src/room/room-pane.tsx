import { useEffect, useState } from 'react';
import { Link, useParams } from 'react-router';
import { useChat, useStore } from '../app/context.ts';
import { Skeleton } from '../components/skeleton.tsx';
import { Composer } from './composer.tsx';
import { MessageList } from './message-list.tsx';
import { RoomHeader } from './room-header.tsx';

export function RoomPane() {
  const roomId = Number(useParams().id);
  return <OpenRoom key={roomId} roomId={roomId} />;
}

function OpenRoom({ roomId }: { roomId: number }) {
  const chat = useChat();
  const room = useStore((state) => state.rooms[roomId]);
  const conversation = useStore((state) => state.conversations[roomId]);
  const isLoaded = useStore((state) => state.roomsLoaded);
  const connection = useStore((state) => state.connection);
  const [missing, setMissing] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what could not be loaded is tried again as the connection changes
  useEffect(() => {
    let current = true;
    if (isLoaded) chat.openRoom(roomId).then((found) => current && setMissing(!found));
    return () => {
      current = false;
    };
  }, [chat, roomId, isLoaded, connection]);
  if (missing && !room) {
    return (
      <div className="nothing">
        <h1>Not a room of yours</h1>
        <p className="muted">It does not exist, or you are not a member of it.</p>
        <p className="nothing-links">
          <Link to="/search">Discover rooms</Link>
          <Link to="/">My rooms</Link>
        </p>
      </div>
    );
  }
  return (
    <section className="room" aria-label={room?.name ?? 'Room'}>
      <RoomHeader room={room} />
      {room && conversation?.isLoaded ? (
        <MessageList room={room} conversation={conversation} />
      ) : (
        <Skeleton rows={8} kind="messages" />
      )}
      <Composer roomId={roomId} disabled={!room} />
    </section>
  );
}
