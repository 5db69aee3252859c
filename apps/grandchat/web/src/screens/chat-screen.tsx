import { useEffect, useState } from 'react';
import { Link, Outlet, useLocation, useMatch } from 'react-router';
import { ConnectionPill } from '../components/connection-pill.tsx';
import { CompassIcon, PlusIcon, SearchIcon } from '../components/icons.tsx';
import { CreateRoomDialog } from './create-room-dialog.tsx';
import { RoomList } from './room-list.tsx';
import { RoomSwitcher } from './room-switcher.tsx';
import { UserMenu } from './user-menu.tsx';

type Open = 'none' | 'create' | 'switch';

/** Two panes on a desktop; on a phone the list or what was chosen from it. */
export function ChatScreen() {
  const [open, setOpen] = useState<Open>('none');
  const isHome = useLocation().pathname === '/';
  const inSearch = useMatch('/search') !== null;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOpen('switch');
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <div className={isHome ? 'panes at-home' : 'panes'}>
      <nav className="sidebar" aria-label="Rooms">
        <header className="sidebar-head">
          <UserMenu />
          <div className="head-actions">
            <button
              type="button"
              className="icon-button"
              aria-label="Find a room of yours (Ctrl K)"
              onClick={() => setOpen('switch')}
            >
              <SearchIcon />
            </button>
            <button
              type="button"
              className="icon-button"
              aria-label="Create a room"
              data-testid="create-room"
              onClick={() => setOpen('create')}
            >
              <PlusIcon />
            </button>
          </div>
        </header>
        <RoomList />
        <Link
          to="/search"
          className="discover-link"
          data-testid="discover-link"
          aria-current={inSearch ? 'page' : undefined}
        >
          <CompassIcon /> Discover rooms
        </Link>
      </nav>
      <main className="pane">
        <Outlet />
      </main>
      <ConnectionPill />
      {open === 'create' && <CreateRoomDialog onClose={() => setOpen('none')} />}
      {open === 'switch' && <RoomSwitcher onClose={() => setOpen('none')} />}
    </div>
  );
}
