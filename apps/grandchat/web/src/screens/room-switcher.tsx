import { type FormEvent, useMemo, useState } from 'react';
import { useNavigate } from 'react-router';
import { useStore } from '../app/context.ts';
import { Avatar } from '../components/avatar.tsx';
import { Dialog } from '../components/dialog.tsx';
import { walk } from '../components/walk.ts';
import { sortedRooms } from '../store/rooms.ts';

const SHOWN = 8;

/** Ctrl K: type a few letters, Enter opens the first room that has them. */
export function RoomSwitcher({ onClose }: { onClose: () => void }) {
  const rooms = useStore((state) => state.rooms);
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  const found = useMemo(() => {
    const all = sortedRooms({ rooms } as Parameters<typeof sortedRooms>[0]);
    return all.filter(({ name }) => name.toLowerCase().includes(query.trim().toLowerCase())).slice(0, SHOWN);
  }, [rooms, query]);
  function open(roomId: number | undefined) {
    if (roomId === undefined) return;
    onClose();
    void navigate(`/rooms/${roomId}`);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    open(found[0]?.id);
  }
  return (
    <Dialog title="Go to room" onClose={onClose}>
      <form onSubmit={submit} onKeyDown={(event) => walk(event, 'input, .switcher button')}>
        <input
          type="search"
          aria-label="Name of the room"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <ul className="switcher">
          {found.map((room) => (
            <li key={room.id}>
              <button type="button" onClick={() => open(room.id)}>
                <Avatar name={room.name} seed={room.id} />
                <span className="room-name">{room.name}</span>
              </button>
            </li>
          ))}
          {found.length === 0 && <li className="muted">No room of yours has that name.</li>}
        </ul>
      </form>
    </Dialog>
  );
}
