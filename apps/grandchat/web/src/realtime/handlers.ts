import type { ChatEvent } from '../api/types.ts';
import type { ConnectionState } from '../store/state.ts';

/** What the connection tells of. */
export interface RealtimeHandlers {
  readonly onState: (state: ConnectionState) => void;
  readonly onEvent: (event: ChatEvent) => void;
  /** We are subscribed, and nothing can be missed from here on; unless `isWhole`, something may have been before. */
  readonly onSubscribed: (isWhole: boolean) => void;
}
