import type { Message, Room, Settings, User } from '../api/types.ts';

export type ConnectionState = 'connecting' | 'connected' | 'disconnected';

/** A message of ours that the server has not taken yet. */
export interface Pending {
  readonly clientId: string;
  readonly roomId: number;
  readonly content: string;
  readonly createdAt: string;
  /** `waiting`: for the network. `failed`: the server said no, `reason` says why. */
  readonly state: 'sending' | 'waiting' | 'failed';
  readonly reason?: string;
}

/**
 * What is known of a room's messages, oldest first: a run without gaps up to the newest, unless `gapAfter` says otherwise.
 * It is there from the moment that its newest page is asked for, so that what happens meanwhile has a place to go.
 */
export interface Conversation {
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly isLoaded: boolean;
  /** After this message some may be missing, until the newest page has been loaded again. */
  readonly gapAfter?: number;
}

export interface Toast {
  readonly id: number;
  readonly text: string;
}

export interface State {
  /** Undefined until it is known; null when nobody is signed in. */
  readonly user: User | null | undefined;
  readonly settings: Settings | undefined;
  readonly connection: ConnectionState;
  readonly roomsLoaded: boolean;
  readonly rooms: Readonly<Record<number, Room>>;
  /** Rooms that we have left, with the version at which: older news of them are of no interest. */
  readonly left: Readonly<Record<number, number>>;
  readonly conversations: Readonly<Record<number, Conversation>>;
  readonly pending: readonly Pending[];
  readonly toasts: readonly Toast[];
}

export const INITIAL_STATE: State = {
  user: undefined,
  settings: undefined,
  connection: 'connecting',
  roomsLoaded: false,
  rooms: {},
  left: {},
  conversations: {},
  pending: [],
  toasts: [],
};
