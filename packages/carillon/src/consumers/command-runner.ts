import type { ApiError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { backoff } from './backoff.ts';
import { BadCommandError, MAX_QUOTED, parseCommand, quoted } from './command.ts';
import type { ConsumerCounters, Dispatch, SourceCommand } from './consumer.ts';

/** Attempts of which one is logged after the first, so that an hour's outage does not fill the log. */
const LOG_EVERY = 10;

/** What became of one attempt at a command. */
export type Verdict =
  | { readonly kind: 'done' }
  /** It can never succeed, for this reason. */
  | { readonly kind: 'parked'; readonly reason: string }
  /** It may succeed later; not before `delay` milliseconds. */
  | { readonly kind: 'retry'; readonly delay: number; readonly error: Error };

export interface CommandRunnerOptions {
  /** The consumer's, for the log. */
  readonly name: string;
  readonly dispatch: Dispatch;
  /** Whether consumers may call a method. */
  readonly isAllowed: (method: string) => boolean;
  /** Attempts at a command that fails inside the server though nothing is away; 0 for no end. */
  readonly maxAttempts: number;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

/**
 * Runs commands and judges how they ended; the same for every source.
 *
 * A command is *done* when the server API carried it out. It is *parked* when it can never succeed: it cannot be read,
 * names no method for consumers, is refused (any code but 100), or has failed inside the server `maxAttempts` times
 * though nothing the server stands on was away, so that one broken command does not hold up its partition for ever. It
 * is to be *retried* otherwise, without end while PostgreSQL or Redis is away, since then nothing is wrong with it.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;

  constructor(options: CommandRunnerOptions) {
    this.#options = options;
  }

  /** `attempt` counts from 1. Never rejects. */
  async run(command: SourceCommand, attempt: number): Promise<Verdict> {
    const { dispatch, isAllowed } = this.#options;
    try {
      if (command.problem) throw new BadCommandError(command.problem);
      const { method, request } = parseCommand(command.method, command.body);
      if (!isAllowed(method))
        throw new BadCommandError(`method ${quoted(method)} is none that consumers may call`);
      await dispatch(method, request);
      return { kind: 'done' };
    } catch (error) {
      return this.#judge(command, attempt, error as Error);
    }
  }

  #judge(command: SourceCommand, attempt: number, error: Error): Verdict {
    const { name, maxAttempts, counters, logger } = this.#options;
    const { partition, position, method } = command;
    const where = {
      consumer: name,
      partition,
      position,
      ...(method && { method: method.slice(0, MAX_QUOTED) }),
    };
    counters.failed();
    const { code, status } = error as Partial<ApiError>;
    const mayPass = code === 100 && (status === 503 || maxAttempts === 0 || attempt < maxAttempts);
    if (mayPass) {
      const delay = backoff(attempt);
      if (attempt === 1 || attempt % LOG_EVERY === 0)
        logger.warn(
          { ...where, attempt, delay, reason: error.message },
          'consumer: a command failed, will try again',
        );
      return { kind: 'retry', delay, error };
    }
    const reason = code === 100 ? `${error.message}, ${attempt} times` : error.message;
    logger.error({ ...where, reason }, 'consumer: a command can never succeed, parked');
    return { kind: 'parked', reason };
  }
}
