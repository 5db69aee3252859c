import type { Slots } from './http/slots.ts';

/** Gives all slots back, unused. */
export function releaseAll(slots: Slots): void {
  for (const slot of slots) slot.release();
}

/** The first, for which its caller has passed already, and those of the others that pass, too; the rest is given back. */
export function passingSlots([first, ...others]: Slots, mayPass: () => boolean): Slots {
  const passing: Slots = [first];
  for (const slot of others) {
    if (mayPass()) passing.push(slot);
    else slot.release();
  }
  return passing;
}
