import { useEffect, useState } from 'react';

/** Normally over before anybody sees it. */
const PATIENCE_MS = 1_500;

/** Until it is known who is signed in. */
export function Splash() {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main className="splash">
      <p role="status">{slow && 'GrandChat cannot be reached. Trying again …'}</p>
    </main>
  );
}
