const KEY = 'drafts';

function read(): Record<string, string> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}

/** What was written and not sent, per room, for as long as the tab lives. */
export const drafts = {
  get: (roomId: number): string => read()[roomId] ?? '',
  set(roomId: number, text: string): void {
    const { [roomId]: _, ...rest } = read();
    sessionStorage.setItem(KEY, JSON.stringify(text ? { ...rest, [roomId]: text } : rest));
  },
  /** At logout: they are nobody else's business. */
  clear: (): void => sessionStorage.removeItem(KEY),
};
