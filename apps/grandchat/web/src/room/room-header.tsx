import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import type { Room } from '../api/types.ts';
import { useBell, useChat } from '../app/context.ts';
import { Avatar } from '../components/avatar.tsx';
import { Dialog } from '../components/dialog.tsx';
import { BackIcon, BellIcon, BellOffIcon, BellOnIcon, DoorIcon } from '../components/icons.tsx';
import { BellDialog } from './bell-dialog.tsx';

export function RoomHeader({ room }: { room: Room | undefined }) {
  const [open, setOpen] = useState<'none' | 'bell' | 'leave'>('none');
  const bell = useBell();
  const { notifications } = useChat();
  const impossible = bell.support.state === 'denied' || bell.support.state === 'unsupported';
  return (
    <header className="pane-head">
      <Link to="/" className="icon-button back" aria-label="Back to my rooms">
        <BackIcon />
      </Link>
      {room && <Avatar name={room.name} seed={room.id} />}
      <div className="pane-title">
        <h1>{room?.name ?? ' '}</h1>
        <p className="muted" aria-live="off">
          {room ? `${room.member_count} ${room.member_count === 1 ? 'member' : 'members'}` : ' '}
        </p>
      </div>
      <button
        type="button"
        className={bell.isOn ? 'icon-button on' : 'icon-button'}
        data-testid="bell"
        aria-label={bell.isOn ? 'Notifications are on' : 'Notifications are off'}
        aria-haspopup="dialog"
        onClick={() => {
          notifications.refresh();
          setOpen('bell');
        }}
      >
        {bell.isOn ? <BellOnIcon /> : impossible ? <BellOffIcon /> : <BellIcon />}
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Leave this room"
        aria-haspopup="dialog"
        disabled={!room}
        onClick={() => setOpen('leave')}
      >
        <DoorIcon />
      </button>
      {open === 'bell' && <BellDialog onClose={() => setOpen('none')} />}
      {open === 'leave' && room && <LeaveDialog room={room} onClose={() => setOpen('none')} />}
    </header>
  );
}

function LeaveDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const chat = useChat();
  const navigate = useNavigate();
  async function leave() {
    try {
      await chat.leave(room.id);
      onClose();
      void navigate('/');
    } catch (error) {
      chat.toast((error as Error).message);
    }
  }
  return (
    <Dialog title={`Leave ${room.name}?`} onClose={onClose}>
      <p>You will get no more messages from it. You can join again on Discover.</p>
      <div className="dialog-actions">
        <button type="button" onClick={onClose}>
          Stay
        </button>
        <button type="button" className="danger" onClick={leave}>
          Leave
        </button>
      </div>
    </Dialog>
  );
}
