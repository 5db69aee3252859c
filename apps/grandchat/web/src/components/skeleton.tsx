/** Grey shapes where something is about to be. */
export function Skeleton({ rows, kind }: { rows: number; kind: 'rooms' | 'messages' }) {
  return (
    <div className={`skeleton ${kind}`} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike and never move
        <div className="skeleton-row" key={index}>
          <span className="skeleton-avatar" />
          <span className="skeleton-lines">
            <span style={{ width: `${30 + ((index * 17) % 25)}%` }} />
            <span style={{ width: `${55 + ((index * 29) % 40)}%` }} />
          </span>
        </div>
      ))}
    </div>
  );
}
