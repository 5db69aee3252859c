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
  const connected = useStore((state) => state.roomsLoaded);
  const [missing, setMissing] = useState(false);
  useEffect(() => {
    let current = true;
    // Subscribed first, loaded then: nothing falls in between (F6).
    if (connected) chat.openRoom(roomId).then((found) => current && setMissing(!found));
    return () => {
      current = false;
    };
  }, [chat, roomId, connected]);
  if (missing && !room) {
    return (
      <div className="nothing">
        <h1>Not a room of yours</h1>
        <p className="muted">It does not exist, or you are not a member of it.</p>
        <Link to="/search">Discover rooms</Link>
      </div>
    );
  }
  return (
    <section className="room" aria-label={room?.name ?? 'Room'}>
      <RoomHeader room={room} />
      {room && conversation ? (
        <MessageList room={room} conversation={conversation} />
      ) : (
        <Skeleton rows={8} kind="messages" />
      )}
      <Composer roomId={roomId} disabled={!room} />
    </section>
  );
}
