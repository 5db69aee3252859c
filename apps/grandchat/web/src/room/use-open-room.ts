import { useEffect, useState } from 'react';
import { useChat, useStore } from '../app/context.ts';

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

export interface OpenRoom {
  /** It does not exist, or is not ours. */
  readonly missing: boolean;
  /** Why it is not here yet, in words; empty when all is well. */
  readonly problem: string;
}

/**
 * Loads a room and its newest messages. What cannot be loaded is tried again by itself, ever more seldom, and at once when the
 * connection changes.
 */
export function useOpenRoom(roomId: number): OpenRoom {
  const chat = useChat();
  const isLoaded = useStore((state) => state.roomsLoaded);
  const connection = useStore((state) => state.connection);
  const [state, setState] = useState<OpenRoom>({ missing: false, problem: '' });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed connection is worth another try
  useEffect(() => {
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = async (retryMs: number) => {
      try {
        const found = await chat.openRoom(roomId);
        if (current) setState({ missing: !found, problem: '' });
      } catch (error) {
        if (!current) return;
        setState({ missing: false, problem: (error as Error).message });
        timer = setTimeout(() => void open(Math.min(retryMs * 2, MAX_RETRY_MS)), retryMs);
      }
    };
    if (isLoaded) void open(FIRST_RETRY_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [chat, roomId, isLoaded, connection]);
  return state;
}
