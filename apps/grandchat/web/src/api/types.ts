/** Shapes of the REST contract (apps/grandchat/API.md). */
export interface User {
  readonly id: number;
  readonly username: string;
}

export interface Settings {
  readonly push_notifications: {
    readonly enabled: boolean;
    readonly vapid_public_key: string;
    readonly firebase_config: Readonly<Record<string, string>> | null;
  };
}

export interface LastMessage {
  readonly id: number;
  readonly content: string;
  readonly user: User;
  readonly created_at: string;
}

export interface Room {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  readonly bumped_at: string;
  readonly member_count: number;
  readonly unread_count: number;
  readonly last_read_id: number;
  readonly last_message: LastMessage | null;
}

export interface Message {
  readonly id: number;
  readonly content: string;
  readonly client_id: string | null;
  readonly user: User;
  readonly room: { readonly id: number; readonly version: number; readonly bumped_at: string };
  readonly created_at: string;
}

export interface FoundRoom {
  readonly id: number;
  readonly name: string;
  readonly created_at: string;
  readonly member_count: number;
  readonly is_member: boolean;
}

/** A room in an event that went to many. */
export type SharedRoom = Omit<Room, 'unread_count' | 'last_read_id'>;

export interface Member {
  readonly room: SharedRoom;
  readonly user: User;
}

export interface ReadState {
  readonly unread_count: number;
  readonly last_read_id: number;
}

export interface Page<T> {
  readonly count: number;
  readonly next: string | null;
  readonly previous: string | null;
  readonly results: readonly T[];
}

export type ChatEvent =
  | { readonly type: 'message_added'; readonly body: Message }
  | { readonly type: 'user_joined' | 'user_left'; readonly body: Member }
  | { readonly type: 'room_read'; readonly body: ReadState & { readonly room_id: number } };
