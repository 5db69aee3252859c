import { answerIsOpen, listenForOpen } from '@carillon/push-client';
import { useEffect } from 'react';
import { useNavigate } from 'react-router';
import { unreadRooms } from '../store/rooms.ts';
import { useStore } from './context.ts';

/** The number of rooms with news, in the tab's title and on the app's icon. */
export function useUnreadTitle(): void {
  const unread = useStore(unreadRooms);
  const signedIn = useStore((state) => Boolean(state.user));
  useEffect(() => {
    document.title = signedIn && unread > 0 ? `(${unread}) GrandChat` : 'GrandChat';
    if (signedIn) navigator.setAppBadge?.(unread).catch(() => {});
  }, [unread, signedIn]);
}

/** What the service worker asks: is this room before somebody's eyes, and please show that one. */
export function useServiceWorkerMessages(): void {
  const navigate = useNavigate();
  useEffect(() => {
    const stopAnswering = answerIsOpen((tag) => location.pathname === `/rooms/${tag.replace(/^room-/, '')}`);
    const stopListening = listenForOpen((url) => {
      const { origin, pathname } = new URL(url, location.href);
      if (origin === location.origin) void navigate(pathname);
    });
    return () => {
      stopAnswering();
      stopListening();
    };
  }, [navigate]);
}
