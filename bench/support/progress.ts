/** Says on stderr what is being done, so that stdout has the results alone. */
export interface Progress {
  /** A new step; stays on the screen. */
  step(words: string): void;
  /** How far the step is. Rewrites one line of a terminal; is not shown elsewhere. */
  update(words: string): void;
  done(): void;
}

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const started = performance.now();
  let step = '';
  const clear = () => {
    if (stream.isTTY) stream.write('\r\x1b[K');
  };
  return {
    step(words) {
      clear();
      step = words;
      const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
      stream.write(`${seconds} s  ${words} …\n`);
    },
    update(words) {
      if (!stream.isTTY) return;
      clear();
      stream.write(`        ${step}: ${words}`);
    },
    done: clear,
  };
}
