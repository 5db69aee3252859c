import type { Database } from 'carillon';
import type { Session, Sessions } from '../accounts/sessions.ts';
import { HttpError, invalid } from '../http/errors.ts';
import { type PushCommands, ROOM_TOPIC_PREFIX, roomTopic } from '../rooms/commands/push-commands.ts';
import { lockRoom } from '../rooms/rooms.ts';
import { type CarillonClient, CarillonError } from './carillon-client.ts';

/** Logout waits this long for Carillon; a command carries the removal in any case. */
const REMOVE_TIMEOUT_MS = 2_000;
const TOPIC_PAGE = 1_000;

export interface DevicesOptions {
  readonly db: Database;
  readonly sessions: Sessions;
  readonly commands: PushCommands;
  readonly carillon: CarillonClient;
  readonly logger: { warn(fields: object, message: string): void };
}

/** The browsers of users, as far as notifications are concerned. */
export class Devices {
  readonly #options: DevicesOptions;

  constructor(options: DevicesOptions) {
    this.#options = options;
  }

  /**
   * Registers the session's browser. Of what the browser says only the fields of the contract are passed on: no topics,
   * which would let it read any room's notifications, and no other user's device id.
   *
   * A device keeps its id when its token changes. When the browser has changed over between native Web Push and Firebase it
   * becomes another device, and the old one is removed: a browser that is reached by both rings twice.
   * @throws HttpError 400 with Carillon's words, 503 when it cannot be reached
   */
  async register(session: Session, device: unknown): Promise<string> {
    const { db, carillon, sessions, commands } = this.#options;
    const { id, fields } = readDevice(device);
    const user = String(session.user.id);
    const known = id === undefined ? undefined : await this.#find(id);
    const isSameRoad = known?.provider === fields.provider;
    const isOwn = known?.user === user || (isSameRoad && known.token === addressOf(fields));
    const { id: registered } = await this.#call(() =>
      carillon.call<{ id: string }>('device_register', {
        ...fields,
        user,
        ...(isOwn && isSameRoad && { id }),
      }),
    );
    await sessions.rememberDevice(session, registered);
    if (id !== undefined && isOwn && !isSameRoad)
      await db.transaction((tx) => commands.removeDevice(tx, session.user.id, id));
    await this.#reconcileTopics(session.user.id);
    return registered;
  }

  /**
   * Ends a session and silences its device, no other. Which device that is, the session knows better than the browser,
   * which may have lost its id. Never fails for want of Carillon: a command carries the removal, and the call only
   * makes it immediate.
   */
  async logOut(session: Session, claimedId: unknown): Promise<void> {
    const { db, sessions, commands, carillon, logger } = this.#options;
    const deviceId =
      session.deviceId || (typeof claimedId === 'string' && claimedId.length <= 64 ? claimedId : '');
    await db.transaction(async (tx) => {
      await sessions.end(tx, session);
      // Without an id there is nothing to remove: an empty list would mean all of the user's devices.
      if (deviceId) await commands.removeDevice(tx, session.user.id, deviceId);
    });
    if (!deviceId) return;
    const request = { ids: [deviceId], users: [String(session.user.id)] };
    await carillon.call('device_remove', request, { timeoutMs: REMOVE_TIMEOUT_MS }).catch((error: Error) => {
      logger.warn({ reason: error.message }, 'logout: device will be removed by a command');
    });
  }

  async #find(id: string): Promise<RegisteredDevice | undefined> {
    const { items } = await this.#call(() =>
      this.#options.carillon.call<{ items: RegisteredDevice[] }>('device_list', { filter: { ids: [id] } }),
    );
    return items[0];
  }

  /**
   * Brings the user's topics in line with the rooms, e.g. for who joined before notifications were on. Each difference is
   * judged again under the room's lock, and goes through the room's partition, so that it cannot overtake a join or
   * leave.
   */
  async #reconcileTopics(userId: number): Promise<void> {
    const { db, carillon, commands } = this.#options;
    const { items } = await this.#call(() =>
      carillon.call<{ items: { topic: string }[] }>('user_topic_list', {
        filter: { users: [String(userId)], topic_prefix: ROOM_TOPIC_PREFIX },
        limit: TOPIC_PAGE,
      }),
    );
    const bound = new Set(items.map(({ topic }) => topic));
    const rooms = await db.query<{ room_id: number }>(
      'SELECT room_id FROM chat_roommember WHERE user_id = $1',
      [userId],
    );
    const wanted = new Set(rooms.map(({ room_id }) => roomTopic(room_id)));
    for (const topic of wanted.symmetricDifference(bound)) {
      const roomId = Number(topic.slice(ROOM_TOPIC_PREFIX.length));
      await db
        .transaction(async (tx) => {
          const member = await lockRoom(tx, roomId, userId);
          await commands.bindTopic(tx, roomId, userId, member ? 'add' : 'remove');
        })
        .catch((error) => {
          if (!(error instanceof HttpError)) throw error;
        });
    }
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof CarillonError && error.code === 108) {
        throw new HttpError(503, 'notifications are switched off on this server');
      }
      if (error instanceof CarillonError) throw new HttpError(400, error.message, { field: 'device' });
      this.#options.logger.warn({ reason: (error as Error).message }, 'Carillon cannot be reached');
      throw new HttpError(503, 'notifications cannot be set up at the moment: try again later');
    }
  }
}

/** As Carillon's `device_list` gives it: members without a value are left out. */
interface RegisteredDevice {
  readonly provider: string;
  readonly token: string;
  readonly user?: string;
}

interface DeviceFields {
  readonly provider: string;
  readonly token: string;
  readonly platform: string;
  readonly timezone?: string;
  readonly locale?: string;
  readonly meta?: Record<string, string>;
}

function readDevice(device: unknown): { id: string | undefined; fields: DeviceFields } {
  if (typeof device !== 'object' || device === null || Array.isArray(device))
    throw invalid('device', 'must be an object');
  const {
    provider,
    token,
    platform,
    timezone,
    locale,
    meta,
    device_id: id,
  } = device as Record<string, unknown>;
  const text = (value: unknown, field: string, max: number): string => {
    if (typeof value !== 'string' || value === '' || value.length > max)
      throw invalid(`device.${field}`, `must be text of 1 to ${max} characters`);
    return value;
  };
  // The tutorial's front end sends null where it has none.
  const claimed = id ?? '';
  if (typeof claimed !== 'string' || claimed.length > 64)
    throw invalid('device.device_id', 'must be the device_id of an earlier answer, or absent');
  return {
    id: claimed || undefined,
    fields: {
      provider: text(provider, 'provider', 16),
      token: text(token, 'token', 4096),
      platform: text(platform, 'platform', 16),
      ...(timezone !== undefined && { timezone: text(timezone, 'timezone', 64) }),
      ...(locale !== undefined && { locale: text(locale, 'locale', 35) }),
      ...(meta !== undefined && { meta: readMeta(meta) }),
    },
  };
}

/** Only what tells people their devices apart. */
function readMeta(meta: unknown): Record<string, string> {
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta))
    throw invalid('device.meta', 'must be an object');
  const given = meta as Record<string, unknown>;
  const agent = given.user_agent ?? given['user-agent'];
  return typeof agent === 'string' ? { user_agent: agent.slice(0, 512) } : {};
}

/** What the registry keeps as a device's token: for web push the endpoint inside the subscription. */
function addressOf({ provider, token }: DeviceFields): string {
  if (provider !== 'webpush') return token;
  try {
    const { endpoint } = JSON.parse(token) as { endpoint?: unknown };
    return typeof endpoint === 'string' ? endpoint : token;
  } catch {
    return token;
  }
}
