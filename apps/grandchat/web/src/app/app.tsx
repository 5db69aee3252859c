import { Navigate, Route, Routes } from 'react-router';
import { Toasts } from '../components/toasts.tsx';
import { RoomPane } from '../room/room-pane.tsx';
import { ChatScreen } from '../screens/chat-screen.tsx';
import { Discover } from '../screens/discover.tsx';
import { LoginScreen } from '../screens/login-screen.tsx';
import { NothingSelected } from '../screens/nothing-selected.tsx';
import { Splash } from '../screens/splash.tsx';
import { useStore } from './context.ts';
import { useServiceWorkerMessages, useUnreadTitle } from './effects.ts';

export function App() {
  const user = useStore((state) => state.user);
  useUnreadTitle();
  useServiceWorkerMessages();
  return (
    <>
      {user === null && <LoginScreen />}
      {user === undefined && <Splash />}
      {user && (
        <Routes>
          <Route element={<ChatScreen />}>
            <Route index element={<NothingSelected />} />
            <Route path="search" element={<Discover />} />
            <Route path="rooms/:id" element={<RoomPane />} />
            <Route path="*" element={<Navigate to="/" replace />} />
          </Route>
        </Routes>
      )}
      <Toasts />
    </>
  );
}
