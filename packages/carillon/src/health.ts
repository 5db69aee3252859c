/**
 * Whether the server is live (it answers) and ready (what it stands on answers, too).
 *
 * A process that is live but not ready should get no work, but need not be started anew: it goes on by itself when its
 * database or queue is back.
 */
export interface Health {
  readonly live: true;
  readonly ready: boolean;
  /** Part → why it is not ready, in words; empty when all are. */
  readonly problems: Readonly<Record<string, string>>;
}

/** A part that can be asked whether it answers. */
export type HealthCheck = () => Promise<unknown>;

const TIMEOUT_MS = 2_000;
/** Probes within this time share one look, so that many of them make no load. */
const FRESH_MS = 500;

/** Gives a function that looks at all parts at once; a part that does not answer within two seconds is not ready. */
export function createHealth(checks: Readonly<Record<string, HealthCheck>>): () => Promise<Health> {
  let last: { at: number; health: Promise<Health> } | undefined;
  return () => {
    const now = performance.now();
    if (!last || now - last.at > FRESH_MS) last = { at: now, health: look(checks) };
    return last.health;
  };
}

async function look(checks: Readonly<Record<string, HealthCheck>>): Promise<Health> {
  const problems: Record<string, string> = {};
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await withTimeout(check());
      } catch (error) {
        problems[name] = (error as Error).message || 'does not answer';
      }
    }),
  );
  return { live: true, ready: Object.keys(problems).length === 0, problems };
}

async function withTimeout(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
