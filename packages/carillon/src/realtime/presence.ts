import type { ClientInfo } from './publication.ts';

export interface PresenceStats {
  readonly num_clients: number;
  /** Anonymous clients are one user. */
  readonly num_users: number;
}

/** Who is in which channel, on all nodes. All methods throw UnavailableError when the store cannot be used. */
export interface PresenceStore {
  /** Adds a client, or says that it is still here: entries that are not renewed may expire. */
  add(channel: string, info: ClientInfo): Promise<void>;
  remove(channel: string, client: string): Promise<void>;
  /** Client id → who it is. */
  of(channel: string): Promise<Record<string, ClientInfo>>;
  stats(channel: string): Promise<PresenceStats>;
  close(): Promise<void>;
}
