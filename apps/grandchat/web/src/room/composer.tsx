import { type KeyboardEvent, lazy, Suspense, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useChat } from '../app/context.ts';
import { SendIcon, SmileIcon } from '../components/icons.tsx';
import { drafts } from './drafts.ts';

const EmojiPicker = lazy(() => import('./emoji-picker.tsx'));
const MAX_HEIGHT_PX = 200;
const MAX_LENGTH = 4_000;

/** Where one writes: grows with the text; Enter sends, Shift+Enter breaks the line. */
export function Composer({ roomId, disabled }: { roomId: number; disabled: boolean }) {
  const { outgoing } = useChat();
  const [text, setText] = useState(() => drafts.get(roomId));
  const [picking, setPicking] = useState(false);
  const ref = useRef<HTMLTextAreaElement>(null);
  const isEmpty = text.trim() === '';

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, MAX_HEIGHT_PX)}px`;
  }, [text]);
  useEffect(() => {
    // On a phone the focus would bring up the keyboard.
    if (!disabled && matchMedia('(hover: hover)').matches) ref.current?.focus();
  }, [disabled]);

  function write(value: string): void {
    setText(value);
    drafts.set(roomId, value);
  }
  function send(): void {
    if (isEmpty || disabled) return;
    outgoing.send(roomId, text.trim());
    write('');
    ref.current?.focus();
  }
  function onKeyDown(event: KeyboardEvent): void {
    // While an input method composes a character, Enter belongs to it.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  }
  function insert(emoji: string): void {
    const element = ref.current;
    const at = element?.selectionStart ?? text.length;
    const changed = text.slice(0, at) + emoji + text.slice(element?.selectionEnd ?? at);
    flushSync(() => write(changed));
    element?.setSelectionRange(at + emoji.length, at + emoji.length);
    closePicker();
  }
  function closePicker(): void {
    setPicking(false);
    ref.current?.focus();
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {picking && (
        <Suspense>
          <EmojiPicker onPick={insert} onClose={closePicker} />
        </Suspense>
      )}
      <button
        type="button"
        className="icon-button"
        aria-label="Emoji"
        aria-expanded={picking}
        onClick={() => setPicking(!picking)}
      >
        <SmileIcon />
      </button>
      <textarea
        ref={ref}
        data-testid="composer"
        aria-label="Message"
        placeholder="Write a message"
        rows={1}
        dir="auto"
        maxLength={MAX_LENGTH}
        value={text}
        disabled={disabled}
        onChange={(event) => write(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <button
        type="submit"
        className="send"
        data-testid="send"
        aria-label="Send"
        disabled={isEmpty || disabled}
      >
        <SendIcon />
      </button>
    </form>
  );
}
