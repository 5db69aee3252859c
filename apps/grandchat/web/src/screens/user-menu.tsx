import { useState } from 'react';
import { useBell, useChat, useStore } from '../app/context.ts';
import { Avatar } from '../components/avatar.tsx';
import { Dialog } from '../components/dialog.tsx';
import { setTheme, type Theme, theme } from '../components/theme.ts';

const THEMES: readonly [Theme, string][] = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/** Who I am, how it looks, and the way out. */
export function UserMenu() {
  const chat = useChat();
  const user = useStore((state) => state.user);
  const bell = useBell();
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(theme());
  if (!user) return null;
  return (
    <>
      <button
        type="button"
        className="user-button"
        data-testid="user-menu"
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Avatar name={user.username} seed={user.id} round />
        <span className="user-name">{user.username}</span>
        <span className="visually-hidden">, settings and log out</span>
      </button>
      {open && (
        <Dialog title={user.username} onClose={() => setOpen(false)}>
          <fieldset>
            <legend>Appearance</legend>
            {THEMES.map(([value, label]) => (
              <label key={value} className="choice">
                <input
                  type="radio"
                  name="theme"
                  checked={chosen === value}
                  onChange={() => {
                    setTheme(value);
                    setChosen(value);
                  }}
                />
                {label}
              </label>
            ))}
          </fieldset>
          <h3>Notifications</h3>
          <p className="muted">
            {bell.isOn
              ? 'On for this device. The bell in a room turns them off.'
              : 'Off for this device. The bell in a room turns them on.'}
          </p>
          <div className="dialog-actions">
            <button type="button" onClick={() => setOpen(false)}>
              Close
            </button>
            <button type="button" className="danger" data-testid="logout" onClick={() => void chat.logOut()}>
              Log out
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
