import type { TransportError } from './http/transport.ts';
import type { Outcome } from './provider.ts';

/** What became of a target, whichever it is. */
export type Answer = Omit<Outcome, 'index'>;

/**
 * What an answer means for its target, and beyond it:
 * - `refresh`: the access token is refused; get another and send again
 * - `quota`: the service takes no more for now from anybody with this credential
 * - `credential`: the operator has to mend something; until then nothing passes
 * - `doubtful`: the address is refused in a way that our own mistake would show in, too
 * - `reconnect`: the fault sticks to the connection
 */
export interface Verdict {
  readonly outcome: Answer;
  readonly effect?: 'refresh' | 'quota' | 'credential' | 'doubtful' | 'reconnect';
}

/** How long what only the operator can mend waits before it is tried again. */
export const MEND_MS = 60_000;

/** Statuses that say "not now" without more: a proxy's, mostly. */
export const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 421, 425, 429]);

/** No answer was had: that may pass. */
export function verdictOfError({ code, message }: TransportError): Verdict {
  return { outcome: { kind: 'retry', code, reason: message } };
}
