import { memo } from 'react';
import { useChat } from '../app/context.ts';
import { Linkified } from '../components/linkified.tsx';
import { fullTime } from '../components/times.ts';
import type { Shown } from '../store/grouping.ts';
import type { Pending } from '../store/state.ts';

/** One message; one that is not sent yet says so, and what can be done. */
export const MessageBubble = memo(function MessageBubble({ message }: { message: Shown }) {
  const { id, content, created_at, pending } = message;
  return (
    <div
      className={pending ? `message ${pending.state}` : 'message'}
      data-testid={pending ? `pending-${pending.state}` : `message-${id}`}
    >
      <p
        className={isEmojiOnly(content) ? 'bubble emoji-only' : 'bubble'}
        title={fullTime(created_at)}
        dir="auto"
      >
        <Linkified text={content} />
      </p>
      {pending && <PendingNote pending={pending} />}
    </div>
  );
});

function PendingNote({ pending: { clientId, state, reason } }: { pending: Pending }) {
  const { outgoing } = useChat();
  if (state === 'sending') return null;
  if (state === 'waiting') return <p className="pending-note">Waits for the connection</p>;
  return (
    <p className="pending-note" role="alert">
      Not sent: {reason}{' '}
      <button type="button" className="link" onClick={() => outgoing.retry(clientId)}>
        Try again
      </button>{' '}
      <button type="button" className="link" onClick={() => outgoing.discard(clientId)}>
        Delete
      </button>
    </p>
  );
}

function isEmojiOnly(content: string): boolean {
  return (
    content.length <= 24 &&
    /^(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s)+$/u.test(content)
  );
}
