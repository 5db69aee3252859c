import { useEffect, useRef, useState } from 'react';
import type { Room } from '../api/types.ts';

/** Reads out what others write in the open room, and only that: not what is loaded from the past. */
export function Announcer({ room, ownId }: { room: Room; ownId: number | undefined }) {
  const last = room.last_message;
  const known = useRef(last?.id ?? 0);
  const [words, setWords] = useState('');
  useEffect(() => {
    if (!last || last.id <= known.current) return;
    known.current = last.id;
    if (last.user.id !== ownId) setWords(`${last.user.username}: ${last.content}`);
  }, [last, ownId]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {words}
    </p>
  );
}
