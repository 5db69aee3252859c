import { memo } from 'react';
import { Avatar } from '../components/avatar.tsx';
import { Linkified } from '../components/linkified.tsx';
import { clock, fullTime } from '../components/times.ts';
import type { MessageGroup } from '../store/grouping.ts';

/** Messages of one author in a row: one name, one face, one time. */
export const Group = memo(function Group({ group, isOwn }: { group: MessageGroup; isOwn: boolean }) {
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
        {messages.map(({ id, content, created_at }) => (
          <p
            key={id}
            className={isEmojiOnly(content) ? 'bubble emoji-only' : 'bubble'}
            data-testid={`message-${id}`}
            title={fullTime(created_at)}
          >
            <Linkified text={content} />
          </p>
        ))}
      </div>
    </article>
  );
});

function isEmojiOnly(content: string): boolean {
  return (
    content.length <= 24 &&
    /^(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s)+$/u.test(content)
  );
}
