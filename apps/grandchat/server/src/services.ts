import type { Database } from 'carillon';
import type { Sessions } from './accounts/sessions.ts';
import type { Tokens } from './accounts/tokens.ts';
import type { Guard } from './http/guard.ts';
import type { Devices } from './push/devices.ts';
import type { Firebase } from './push/firebase.ts';
import type { Messages } from './rooms/messages.ts';
import type { Rooms } from './rooms/rooms.ts';

/** How often one address, user or browser may do something. */
export interface Limits {
  readonly signupsPerAddress: number;
  readonly loginsPerAddress: number;
  /** In five minutes. */
  readonly loginsPerUser: number;
  readonly messagesPerMinute: number;
  /** Of any kind, by one browser. */
  readonly requestsPerMinute: number;
}

export const DEFAULT_LIMITS: Limits = {
  signupsPerAddress: 10,
  loginsPerAddress: 30,
  loginsPerUser: 20,
  messagesPerMinute: 120,
  requestsPerMinute: 1_200,
};

/** What the front end needs to know of this server. */
export interface Settings {
  readonly push_notifications: {
    readonly enabled: boolean;
    /** Carillon's key, or where there is a `firebase_config`, Firebase's. */
    readonly vapid_public_key: string;
    /** For Firebase's web SDK; null where browsers are reached by native Web Push. */
    readonly firebase_config: Firebase['config'] | null;
  };
}

/** What routes work with. */
export interface Services {
  readonly db: Database;
  readonly sessions: Sessions;
  readonly guard: Guard;
  readonly tokens: Tokens;
  readonly rooms: Rooms;
  readonly messages: Messages;
  readonly devices: Devices;
  readonly settings: Settings;
  readonly limits: Limits;
}

/** Limits from the environment: `GRANDCHAT_MESSAGES_PER_MINUTE` and the like. @throws naming the variable */
export function limitsFromEnvironment(env: NodeJS.ProcessEnv): Partial<Limits> {
  const variables = {
    GRANDCHAT_SIGNUPS_PER_MINUTE: 'signupsPerAddress',
    GRANDCHAT_LOGINS_PER_MINUTE: 'loginsPerAddress',
    GRANDCHAT_MESSAGES_PER_MINUTE: 'messagesPerMinute',
    GRANDCHAT_REQUESTS_PER_MINUTE: 'requestsPerMinute',
  } as const;
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, limit]) => {
      const text = env[name];
      if (!text) return [];
      if (!/^[1-9]\d{0,8}$/.test(text))
        throw new Error(`${name} is ${JSON.stringify(text)}: a whole number of 1 or more is allowed`);
      return [[limit, Number(text)]];
    }),
  );
}
