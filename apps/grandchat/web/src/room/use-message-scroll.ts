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
  const { oldestId, newestId, pendingCount, newestIsOwn, unreadId } = options;
  const ref = useRef<HTMLElement>(null);
  const newest = useRef(options);
  const before = useRef({
    oldestId,
    newestId,
    pendingCount,
    height: 0,
    width: 0,
    frame: 0,
    stick: true,
    opened: false,
  });

  /** Where the eye is now. Touches nothing but refs, so that an old one does as well as a new one. */
  function look(element: HTMLElement): void {
    const fromBottom = element.scrollHeight - element.scrollTop - element.clientHeight;
    const stick = fromBottom < BOTTOM_PX;
    before.current = {
      ...before.current,
      stick,
      height: element.scrollHeight,
      width: element.clientWidth,
      frame: element.clientHeight,
    };
    newest.current.onAtBottom(stick);
    if (element.scrollTop < TOP_PX) newest.current.onNearTop();
  }

  useLayoutEffect(() => {
    newest.current = options;
    const element = ref.current;
    if (!element) return;
    const last = before.current;
    const grewOnTop =
      last.opened && oldestId !== undefined && last.oldestId !== undefined && oldestId < last.oldestId;
    const wrote = pendingCount > last.pendingCount || (newestId !== last.newestId && newestIsOwn);
    if (!last.opened) open(element, unreadId);
    else if (grewOnTop) element.scrollTop += element.scrollHeight - last.height;
    else if (last.stick || wrote) element.scrollTop = element.scrollHeight;
    before.current = { ...last, oldestId, newestId, pendingCount, opened: true };
    look(element);
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: look touches nothing but refs
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    // A growing composer, an on-screen keyboard, a turned phone: the end stays in sight.
    const observer = new ResizeObserver(() => {
      if (before.current.stick) element.scrollTop = element.scrollHeight;
      look(element);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  function onScroll(): void {
    const element = ref.current;
    if (!element) return;
    // Nobody has scrolled, the frame has changed: the observer comes next, and must still know whether we were at the end.
    const { width, frame } = before.current;
    if (element.clientWidth === width && element.clientHeight === frame) look(element);
  }

  return {
    ref,
    onScroll,
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
