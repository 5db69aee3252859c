import { createContext, useContext, useSyncExternalStore } from 'react';
import type { BellState } from '../push/notifications.ts';
import type { State } from '../store/state.ts';
import type { Chat } from './chat.ts';

export const ChatContext = createContext<Chat | undefined>(undefined);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error('no ChatContext above');
  return chat;
}

/** A part of the state. `select` must give the same object for the same state. */
export function useStore<T>(select: (state: State) => T): T {
  const { store } = useChat();
  return useSyncExternalStore(store.subscribe, () => select(store.state));
}

export function useBell(): BellState {
  const { notifications } = useChat();
  return useSyncExternalStore(notifications.listen, () => notifications.state);
}
