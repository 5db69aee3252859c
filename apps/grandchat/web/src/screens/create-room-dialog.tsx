import { type FormEvent, useId, useState } from 'react';
import { useNavigate } from 'react-router';
import { useChat } from '../app/context.ts';
import { Dialog } from '../components/dialog.tsx';

export function CreateRoomDialog({ onClose }: { onClose: () => void }) {
  const chat = useChat();
  const navigate = useNavigate();
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get('name'));
    setBusy(true);
    try {
      const room = await chat.createRoom(name);
      onClose();
      void navigate(`/rooms/${room.id}`);
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }
  return (
    <Dialog title="Create a room" onClose={onClose}>
      <form onSubmit={submit}>
        <label htmlFor={id}>Name</label>
        <input
          id={id}
          name="name"
          data-testid="room-name-input"
          maxLength={100}
          required
          autoComplete="off"
        />
        <p className="problem" role="alert">
          {problem}
        </p>
        <div className="dialog-actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" data-testid="room-create-submit" disabled={busy}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}
