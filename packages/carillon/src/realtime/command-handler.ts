import type { RequestName } from './commands.ts';
import type { Session } from './session.ts';

/** Carries out what clients ask. */
export interface CommandHandler {
  /**
   * Gives back the result of a command, or undefined when it has none.
   * @throws ClientError for an error reply, Disconnect to close the connection
   */
  handle(
    session: Session,
    name: RequestName,
    request: Readonly<Record<string, unknown>>,
  ): Promise<object | undefined>;
  /** Called once the reply is queued: what must not overtake it. */
  afterReply(session: Session, name: RequestName, request: Readonly<Record<string, unknown>>): Promise<void>;
}
