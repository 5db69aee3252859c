import { useStore } from '../app/context.ts';

export function NothingSelected() {
  const hasRooms = useStore((state) => Object.keys(state.rooms).length > 0);
  const isLoaded = useStore((state) => state.roomsLoaded);
  // Which of the two it is, is not known yet.
  if (!isLoaded && !hasRooms) return null;
  return (
    <div className="nothing">
      <img src="/icon.svg" alt="" width="72" height="72" />
      <h1>{hasRooms ? 'Choose a room' : 'Welcome to GrandChat'}</h1>
      <p className="muted">
        {hasRooms ? (
          <>
            Or press <kbd>Ctrl</kbd> <kbd>K</kbd> to find one.
          </>
        ) : (
          'Discover a room, or create one of your own.'
        )}
      </p>
    </div>
  );
}
