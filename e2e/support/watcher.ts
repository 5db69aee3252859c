import type { ChatEvent, Message, Page, ReadState, Room } from '../../apps/grandchat/web/src/api/types.ts';
import { Session, type SessionApi } from '../../apps/grandchat/web/src/app/session.ts';
import { INITIAL_STATE } from '../../apps/grandchat/web/src/store/state.ts';
import { Store } from '../../apps/grandchat/web/src/store/store.ts';
import type { Person } from './person.ts';

/** GrandChat's front end without its screens: the same session and store, before a real server, with what came over the wire. */
export class Watcher {
  readonly person: Person;
  /** All that came over the WebSocket, in order. */
  readonly events: ChatEvent[] = [];
  readonly #store = new Store();
  readonly #session: Session;
  readonly #waiting = new Set<() => void>();

  private constructor(person: Person) {
    this.person = person;
    const user = { id: person.id, username: person.username };
    this.#store.update(() => ({ ...INITIAL_STATE, user, connection: 'connecting' }));
    this.#store.subscribe(() => this.#changed());
    this.#session = new Session({
      user,
      store: this.#store,
      api: apiOf(person),
      openRealtime: ({ onState, onEvent, onSubscribed }) => {
        const { client, subscription } = person.realtime();
        subscription.on('publication', ({ data }) => {
          this.events.push(data as ChatEvent);
          onEvent(data as ChatEvent);
          this.#changed();
        });
        subscription.on('subscribed', ({ wasRecovering, recovered }) => {
          onState('connected');
          onSubscribed(wasRecovering && recovered);
        });
        subscription.on('subscribing', () => onState('connecting'));
        client.connect();
        return { close: () => client.disconnect() };
      },
      onSubscribed() {},
      onRead() {},
    });
  }

  /** Somebody with a room open before them. */
  static async open(person: Person, roomId: number): Promise<Watcher> {
    const watcher = new Watcher(person);
    await watcher.until(
      () => watcher.#store.state.connection === 'connected' && watcher.#store.state.roomsLoaded,
    );
    await watcher.#session.openRoom(roomId);
    return watcher;
  }

  /** What the screen shows of a room, oldest first. */
  messages(roomId: number): readonly Message[] {
    return this.#store.state.conversations[roomId]?.messages ?? [];
  }

  room(roomId: number): Room | undefined {
    return this.#store.state.rooms[roomId];
  }

  isConnected(): boolean {
    return this.#store.state.connection === 'connected';
  }

  /** Scrolls up to the very first message. */
  async loadAll(roomId: number): Promise<void> {
    while (this.#store.state.conversations[roomId]?.hasOlder) await this.#session.loadOlder(roomId);
  }

  /** Resolves once the state is so; looks at it whenever something has changed. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  close(): void {
    this.#session.close();
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

function apiOf(person: Person): SessionApi {
  return {
    rooms: (url = '/api/rooms/') => person.get<Page<Room>>(url),
    room: (id) => person.get<Room>(`/api/rooms/${id}/`),
    messages: (id, before = 0, limit = 50) =>
      person.get<Page<Message>>(
        `/api/rooms/${id}/messages/?limit=${limit}${before ? `&before=${before}` : ''}`,
      ),
    read: (id, messageId) => person.post<ReadState>(`/api/rooms/${id}/read/`, { message_id: messageId }),
  };
}
