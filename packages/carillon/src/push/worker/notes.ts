/** What a crash may repeat: outcomes are noted together at most this long after the first. */
const NOTE_AFTER_MS = 20;
/** When the queue is away. */
const AGAIN_AFTER_MS = 250;

/** Gathers the indexes of a job that were accepted, and notes them on it together. */
export interface Notes {
  add(index: number): void;
  /** Ends without noting what is left: the job is about to end. */
  stop(): Promise<void>;
  /** Notes what is left, as far as the queue answers: the job will be run again. */
  flush(): Promise<void>;
}

/** @param note keeps some indexes; while it rejects they stay to be noted, as a later holder would ring those again */
export function takeNotes(note: (indexes: readonly number[]) => Promise<void>): Notes {
  let open: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  let noting: Promise<void> = Promise.resolve();
  let stopped = false;

  function schedule(ms: number): void {
    if (!stopped) timer ??= setTimeout(write, ms);
  }
  function write(): void {
    timer = undefined;
    const indexes = open;
    open = [];
    noting = noting
      .then(() => note(indexes))
      .catch(() => {
        open = [...indexes, ...open];
        schedule(AGAIN_AFTER_MS);
      });
  }
  async function stop(): Promise<void> {
    stopped = true;
    clearTimeout(timer);
    await noting;
  }
  return {
    add(index) {
      open.push(index);
      schedule(NOTE_AFTER_MS);
    },
    stop,
    async flush() {
      await stop();
      if (open.length > 0) await note(open).catch(() => {});
    },
  };
}
