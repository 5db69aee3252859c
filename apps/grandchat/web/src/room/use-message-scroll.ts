import { type RefObject, useLayoutEffect, useRef } from 'react';

/** This near to the end counts as being there. */
const BOTTOM_PX = 60;
/** Older messages are fetched this far ahead. */
const TOP_PX = 600;

export interface MessageScrollOptions {
  readonly oldestId: number | undefined;
  readonly newestId: number | undefined;
  readonly pendingCount: number;
  readonly newestIsOwn: boolean;
  readonly unreadId: number | undefined;
  /** Told at every look, the first one before anything is painted. */
  readonly onAtBottom: (atBottom: boolean) => void;
  readonly onNearTop: () => void;
}

export interface MessageScroll {
  readonly ref: RefObject<HTMLElement | null>;
  readonly onScroll: () => void;
  /** To the newest message. */
  readonly jump: () => void;
}

/**
 * Keeps the eye where it was: at the end as messages come, at the same message when older ones are put on top, at the
 * unread line when the room is opened; our own new message always shows.
 */
export function useMessageScroll(options: MessageScrollOptions): MessageScroll {
  const { oldestId, newestId, pendingCount, newestIsOwn, unreadId, onAtBottom, onNearTop } = options;
  const ref = useRef<HTMLElement>(null);
  const before = useRef({ oldestId, newestId, pendingCount, height: 0, stick: true, opened: false });

  function look(element: HTMLElement): void {
    const fromBottom = element.scrollHeight - element.scrollTop - element.clientHeight;
    before.current.stick = fromBottom < BOTTOM_PX;
    onAtBottom(fromBottom < BOTTOM_PX);
    if (element.scrollTop < TOP_PX) onNearTop();
  }

  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const last = before.current;
    const grewOnTop =
      last.opened && oldestId !== undefined && last.oldestId !== undefined && oldestId < last.oldestId;
    const wrote = pendingCount > last.pendingCount || (newestId !== last.newestId && newestIsOwn);
    if (!last.opened) open(element, unreadId);
    else if (grewOnTop) element.scrollTop += element.scrollHeight - last.height;
    else if (last.stick || wrote) element.scrollTop = element.scrollHeight;
    before.current = {
      ...last,
      oldestId,
      newestId,
      pendingCount,
      height: element.scrollHeight,
      opened: true,
    };
    look(element);
  });

  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    // A growing composer or an on-screen keyboard takes height away: the end stays in sight.
    const observer = new ResizeObserver(() => {
      if (before.current.stick) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  return {
    ref,
    onScroll: () => ref.current && look(ref.current),
    jump: () => {
      before.current.stick = true;
      ref.current?.scrollTo({ top: ref.current.scrollHeight, behavior: smooth() });
    },
  };
}

function open(element: HTMLElement, unreadId: number | undefined): void {
  const line = unreadId === undefined ? null : element.querySelector<HTMLElement>('[data-unread]');
  element.scrollTop = element.scrollHeight;
  if (line && line.offsetTop < element.scrollTop) element.scrollTop = Math.max(0, line.offsetTop - 80);
}

function smooth(): ScrollBehavior {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
}
