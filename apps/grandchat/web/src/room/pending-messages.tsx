import { useChat } from '../app/context.ts';
import { Linkified } from '../components/linkified.tsx';
import type { Pending } from '../store/state.ts';

/** What we wrote and the server does not have yet. */
export function PendingMessages({ pending }: { pending: readonly Pending[] }) {
  const { outgoing } = useChat();
  if (pending.length === 0) return null;
  return (
    <article className="group own" aria-label="Not sent yet">
      <div className="group-body">
        {pending.map(({ clientId, content, state, reason }) => (
          <div key={clientId} className={`pending ${state}`} data-testid={`pending-${state}`}>
            <p className="bubble">
              <Linkified text={content} />
            </p>
            {state === 'waiting' && <p className="pending-note">Waits for the connection</p>}
            {state === 'failed' && (
              <p className="pending-note" role="alert">
                Not sent: {reason}{' '}
                <button type="button" className="link" onClick={() => outgoing.retry(clientId)}>
                  Try again
                </button>{' '}
                <button type="button" className="link" onClick={() => outgoing.discard(clientId)}>
                  Delete
                </button>
              </p>
            )}
          </div>
        ))}
      </div>
    </article>
  );
}
