import type { Message } from '../api/types.ts';
import { applyMessageToRoom } from './rooms.ts';
import type { Conversation, Pending, State } from './state.ts';

/** Its newest page is being asked for. */
export function startLoading(state: State, roomId: number): State {
  if (state.conversations[roomId]) return state;
  return withConversation(state, roomId, { messages: [], hasOlder: true, isLoaded: false, gapAfter: 0 });
}

/** Events were missed: from here on nothing that is open can be trusted to be whole. */
export function markGaps(state: State): State {
  const conversations = Object.entries(state.conversations).map(([id, conversation]) => [
    id,
    { ...conversation, gapAfter: conversation.gapAfter ?? conversation.messages.at(-1)?.id ?? 0 },
  ]);
  return { ...state, conversations: Object.fromEntries(conversations) };
}

/** The newest page of a room. What was known before a gap stays only if the page reaches back to it. */
export function loadNewest(state: State, roomId: number, page: readonly Message[], hasOlder: boolean): State {
  const known = state.conversations[roomId] ?? { messages: [], hasOlder: true, isLoaded: false, gapAfter: 0 };
  const { gapAfter } = known;
  const oldest = page.at(-1)?.id ?? 0;
  const isWhole = gapAfter === undefined || oldest <= gapAfter || !hasOlder;
  const newest = page[0]?.id ?? 0;
  const messages = union(isWhole ? known.messages : known.messages.filter(({ id }) => id > newest), page);
  const isLonger = (messages[0]?.id ?? 0) < oldest;
  return withConversation(dropSent(state, page), roomId, {
    messages,
    hasOlder: isLonger ? known.hasOlder : hasOlder,
    isLoaded: true,
  });
}

/** The page before message `before`; of no use if that is no longer the oldest one known. */
export function loadOlder(
  state: State,
  roomId: number,
  before: number,
  page: readonly Message[],
  hasOlder: boolean,
): State {
  const known = state.conversations[roomId];
  if (known?.messages[0]?.id !== before) return state;
  return withConversation(state, roomId, { ...known, messages: union(known.messages, page), hasOlder });
}

/** A message that is new, by event or as the answer to our own POST: both may come, in any order. */
export function addMessage(state: State, message: Message): State {
  const known = state.conversations[message.room.id];
  const next = applyMessageToRoom(dropSent(state, [message]), message);
  // Older than all that is loaded, as a late copy is: it comes with its page, and here it would hide what lies in between.
  const isOlder = known?.hasOlder && known.isLoaded && message.id < (known.messages[0]?.id ?? 0);
  if (!known || isOlder) return next;
  return withConversation(next, message.room.id, { ...known, messages: union(known.messages, [message]) });
}

export function addPending(state: State, pending: Pending): State {
  return {
    ...state,
    pending: [...state.pending.filter(({ clientId }) => clientId !== pending.clientId), pending],
  };
}

export function setPending(state: State, clientId: string, change: Partial<Pending>): State {
  return {
    ...state,
    pending: state.pending.map((item) => (item.clientId === clientId ? { ...item, ...change } : item)),
  };
}

export function removePending(state: State, clientId: string): State {
  return { ...state, pending: state.pending.filter((item) => item.clientId !== clientId) };
}

/** Ours among these are no longer pending. */
function dropSent(state: State, messages: readonly Message[]): State {
  const sent = new Set(messages.map(({ client_id }) => client_id));
  if (!state.pending.some(({ clientId }) => sent.has(clientId))) return state;
  return { ...state, pending: state.pending.filter(({ clientId }) => !sent.has(clientId)) };
}

function union(known: readonly Message[], more: readonly Message[]): Message[] {
  const byId = new Map([...known, ...more].map((message) => [message.id, message]));
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

function withConversation(state: State, roomId: number, conversation: Conversation): State {
  return { ...state, conversations: { ...state.conversations, [roomId]: conversation } };
}
