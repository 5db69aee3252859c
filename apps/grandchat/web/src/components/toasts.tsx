import { useLayoutEffect, useRef } from 'react';
import { useStore } from '../app/context.ts';

/** What is said in passing, above all else: a popover comes to lie over an open dialog, too. */
export function Toasts() {
  const toasts = useStore((state) => state.toasts);
  const ref = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new one is to be on top of a dialog that came in between
  useLayoutEffect(() => {
    ref.current?.hidePopover();
    ref.current?.showPopover();
  }, [toasts]);
  return (
    <div ref={ref} popover="manual" className="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, text }) => (
        <p key={id} className="toast">
          {text}
        </p>
      ))}
    </div>
  );
}
