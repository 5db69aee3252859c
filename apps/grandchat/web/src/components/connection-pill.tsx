import { useEffect, useState } from 'react';
import { useStore } from '../app/context.ts';

/** Short interruptions mend themselves and are nobody's concern. */
const PATIENCE_MS = 1_500;

/** Says so when messages do not come or go at the moment. */
export function ConnectionPill() {
  const connection = useStore((state) => state.connection);
  const waiting = useStore((state) => state.pending.filter((pending) => pending.state === 'waiting').length);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (connection === 'connected') {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [connection]);
  const words =
    waiting > 0
      ? `No connection: ${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'}`
      : 'Connecting …';
  return (
    <div className="connection" role="status" data-testid="connection-state" data-state={connection}>
      {shown && connection !== 'connected' && <span className="pill">{words}</span>}
    </div>
  );
}
