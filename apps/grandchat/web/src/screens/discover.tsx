import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import type { FoundRoom, Page } from '../api/types.ts';
import { useChat, useStore } from '../app/context.ts';
import { Avatar } from '../components/avatar.tsx';
import { BackIcon } from '../components/icons.tsx';
import { Skeleton } from '../components/skeleton.tsx';

const TYPING_PAUSE_MS = 200;

/** All rooms there are, with a search, and Join or Leave for each. */
export function Discover() {
  const chat = useChat();
  const mine = useStore((state) => state.rooms);
  const [query, setQuery] = useState('');
  const [page, setPage] = useState<Page<FoundRoom>>();
  const [problem, setProblem] = useState('');
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt asks again
  useEffect(() => {
    let current = true;
    const timer = setTimeout(
      () =>
        chat.api.search(query).then(
          (found) => {
            if (!current) return;
            setPage(found);
            setProblem('');
          },
          (error: Error) => {
            if (!current) return;
            // What was found for another query would pass for an answer to this one.
            setPage(undefined);
            setProblem(error.message);
          },
        ),
      query ? TYPING_PAUSE_MS : 0,
    );
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [chat, query, attempt]);

  async function loadMore() {
    if (!page?.next) return;
    try {
      const more = await chat.api.search(query, page.next);
      setPage({ ...more, results: [...page.results, ...more.results] });
    } catch (error) {
      chat.toast((error as Error).message);
    }
  }

  function recount(roomId: number, member_count: number): void {
    const recounted = (room: FoundRoom) => (room.id === roomId ? { ...room, member_count } : room);
    setPage((now) => now && { ...now, results: now.results.map(recounted) });
  }

  return (
    <section className="discover" aria-labelledby="discover-title">
      <header className="pane-head">
        <Link to="/" className="icon-button back" aria-label="Back to my rooms">
          <BackIcon />
        </Link>
        <h1 id="discover-title">Discover</h1>
      </header>
      <div className="discover-body">
        <input
          type="search"
          placeholder="Search rooms"
          aria-label="Search rooms"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        {problem && (
          <p className="problem" role="alert">
            Rooms could not be loaded: {problem}{' '}
            <button type="button" className="link" onClick={() => setAttempt(attempt + 1)}>
              Try again
            </button>
          </p>
        )}
        {!page && !problem && <Skeleton rows={6} kind="rooms" />}
        {page && (
          <ul className="found">
            {page.results.map((room) => (
              <FoundItem
                key={room.id}
                room={room}
                isMember={mine[room.id] !== undefined}
                memberCount={mine[room.id]?.member_count ?? room.member_count}
                onLeft={(count) => recount(room.id, count)}
              />
            ))}
          </ul>
        )}
        {page?.results.length === 0 && <p className="muted">No room has “{query}” in its name.</p>}
        {page?.next && (
          <button type="button" onClick={loadMore}>
            Show more
          </button>
        )}
      </div>
    </section>
  );
}

function FoundItem({
  room,
  isMember,
  memberCount,
  onLeft,
}: {
  room: FoundRoom;
  isMember: boolean;
  memberCount: number;
  onLeft: (memberCount: number) => void;
}) {
  const chat = useChat();
  const [busy, setBusy] = useState(false);
  async function change() {
    setBusy(true);
    try {
      if (isMember) onLeft(await chat.leave(room.id));
      else await chat.join(room.id);
    } catch (error) {
      chat.toast((error as Error).message);
    }
    setBusy(false);
  }
  return (
    <li className="found-item">
      <Avatar name={room.name} seed={room.id} />
      <span className="found-text">
        {isMember ? (
          <Link to={`/rooms/${room.id}`} className="room-name">
            {room.name}
          </Link>
        ) : (
          <span className="room-name">{room.name}</span>
        )}
        <span className="muted">
          {memberCount} {memberCount === 1 ? 'member' : 'members'}
        </span>
      </span>
      <button
        type="button"
        className={isMember ? '' : 'primary'}
        aria-label={`${isMember ? 'Leave' : 'Join'} ${room.name}`}
        disabled={busy}
        onClick={change}
      >
        {isMember ? 'Leave' : 'Join'}
      </button>
    </li>
  );
}
