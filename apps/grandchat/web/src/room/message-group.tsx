import { Avatar } from '../components/avatar.tsx';
import { clock, fullTime } from '../components/times.ts';
import type { MessageGroup } from '../store/grouping.ts';
import { MessageBubble } from './message-bubble.tsx';

/** Messages of one author in a row: one name, one face, one time. */
export function Group({ group, isOwn }: { group: MessageGroup; isOwn: boolean }) {
  const { author, messages } = group;
  const first = messages[0]?.created_at ?? '';
  return (
    <article className={isOwn ? 'group own' : 'group'}>
      {!isOwn && <Avatar name={author.username} seed={author.id} round />}
      <div className="group-body">
        <header className="group-head">
          <span className="author">{isOwn ? 'You' : author.username}</span>
          <time dateTime={first} title={fullTime(first)}>
            {clock(first)}
          </time>
        </header>
        {messages.map((message) => (
          <MessageBubble key={message.key} message={message} />
        ))}
      </div>
    </article>
  );
}
