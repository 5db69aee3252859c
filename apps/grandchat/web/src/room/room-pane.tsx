import { Link, useParams } from 'react-router';
import { useStore } from '../app/context.ts';
import { Skeleton } from '../components/skeleton.tsx';
import { Composer } from './composer.tsx';
import { MessageList } from './message-list.tsx';
import { RoomHeader } from './room-header.tsx';
import { useOpenRoom } from './use-open-room.ts';

export function RoomPane() {
  const roomId = Number(useParams().id);
  return <OpenRoom key={roomId} roomId={roomId} />;
}

function OpenRoom({ roomId }: { roomId: number }) {
  const room = useStore((state) => state.rooms[roomId]);
  const conversation = useStore((state) => state.conversations[roomId]);
  const { missing, problem } = useOpenRoom(roomId);
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
      {problem && !conversation?.isLoaded && (
        <p className="problem room-problem" role="alert">
          This room could not be loaded: {problem}
          <br />
          Trying again …
        </p>
      )}
      <Composer roomId={roomId} disabled={!room} />
    </section>
  );
}
