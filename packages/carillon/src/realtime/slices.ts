const SLICE_MS = 2;
/** The clock is looked at this often. */
const STEPS_PER_LOOK = 64;

/**
 * Cuts long work into slices of some milliseconds, so that what else the process has to do need not wait for its end. All
 * work with one instance shares the slices: many short pieces one after another give way, too.
 */
export class Slices {
  #steps = 0;
  #end = performance.now() + SLICE_MS;

  /** Counts one small step. @returns whether it is time to give way */
  isOver(): boolean {
    this.#steps += 1;
    return this.#steps % STEPS_PER_LOOK === 0 && performance.now() > this.#end;
  }

  /** Lets everything else that is due go first. */
  async giveWay(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#end = performance.now() + SLICE_MS;
  }
}
