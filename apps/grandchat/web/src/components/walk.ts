import type { KeyboardEvent } from 'react';

/** Arrow keys walk through what `selector` finds in the element that has the handler. */
export function walk(event: KeyboardEvent<HTMLElement>, selector: string): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (step === 0) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(selector)];
  all[all.indexOf(document.activeElement as HTMLElement) + step]?.focus();
  event.preventDefault();
}
