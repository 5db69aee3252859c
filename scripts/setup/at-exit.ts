/**
 * Runs `cleanUp` when the process ends before its time, by Ctrl+C or an error that nobody caught; it must be synchronous.
 * @returns takes it back, for what has been cleaned up in the usual way
 */
export function atExit(cleanUp: () => void): () => void {
  process.on('exit', cleanUp);
  return () => {
    process.off('exit', cleanUp);
  };
}

let isListening = false;

/** Signals end the process through its `exit` handlers. */
export function exitOnSignals(): void {
  if (isListening) return;
  isListening = true;
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
