import type { Message } from '../api/types.ts';
import { applyMessageToRoom } from './rooms.ts';
import type { Conversation, Pending, State } from './state.ts';

/** The newest page of a room. What was known stays only if it touches the page: a run with a gap would hide messages. */
export function loadNewest(state: State, roomId: number, page: readonly Message[], hasOlder: boolean): State {
  const known = state.conversations[roomId];
  const oldest = page.at(-1)?.id ?? 0;
  const touches = known?.messages.some(({ id }) => id >= oldest) ?? false;
  const messages = known && touches ? union(known.messages, page) : union([], page);
  const older =
    known && touches && known.messages[0] && known.messages[0].id < oldest ? known.hasOlder : hasOlder;
  return withConversation(dropSent(state, page), roomId, { messages, hasOlder: older });
}

export function loadOlder(state: State, roomId: number, page: readonly Message[], hasOlder: boolean): State {
  const known = state.conversations[roomId];
  if (!known) return state;
  return withConversation(state, roomId, { messages: union(known.messages, page), hasOlder });
}

/** A message that is new, by event or as the answer to our own POST: both may come, in any order. */
export function addMessage(state: State, message: Message): State {
  const known = state.conversations[message.room.id];
  const next = applyMessageToRoom(dropSent(state, [message]), message);
  if (!known) return next;
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
