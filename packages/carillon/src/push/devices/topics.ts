import { ApiError } from '../../errors.ts';
import type { Database } from '../../storage/database.ts';
import { type DeviceFilter, filterCondition, Params } from './device-filter.ts';
import { DEVICE_COLUMNS, type Device } from './registry.ts';
import { changeDeviceTopics, lockUserTopics, type TopicOp } from './topic-changes.ts';

export interface UserTopicPageRequest {
  readonly users: readonly string[];
  readonly topics: readonly string[];
  readonly topicPrefix: string;
  readonly cursor: number;
  readonly limit: number;
  readonly totalCount: boolean;
}

export interface UserTopic {
  readonly id: number;
  readonly user: string;
  readonly topic: string;
}

export interface DeviceTopicPageRequest {
  readonly devices: Pick<DeviceFilter, 'ids' | 'providers' | 'platforms' | 'users'>;
  readonly topics: readonly string[];
  readonly topicPrefix: string;
  /** The id of the last item seen. */
  readonly cursor: number;
  readonly limit: number;
  readonly totalCount: boolean;
  /** Whether each item comes with its device. */
  readonly device: boolean;
}

export interface DeviceTopic {
  readonly id: number;
  readonly device_id: string;
  readonly topic: string;
  readonly device?: Device;
}

/** What users and devices are bound to (push-api, section 4). */
export class Topics {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Changes what a user is bound to, and the user's registered devices with it, in one transaction. The user `""` is the
   * global binding: it reaches a device at its next registration.
   */
  async updateUser(user: string, op: TopicOp, topics: readonly string[]): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await lockUserTopics(tx, user);
      if (op !== 'add') {
        const compare = op === 'set' ? '<> ALL' : '= ANY';
        await tx.query(
          `DELETE FROM carillon_user_topics WHERE user_id = $1 AND topic ${compare}($2::text[])`,
          [user, topics],
        );
      }
      if (op !== 'remove') {
        await tx.query(
          `INSERT INTO carillon_user_topics (user_id, topic) SELECT $1, topic FROM unnest($2::text[]) AS topic
           ON CONFLICT DO NOTHING`,
          [user, topics],
        );
      }
      if (user === '') return;
      const devices = await tx.query<{ id: string }>(
        'SELECT id FROM carillon_devices WHERE user_id = $1 ORDER BY id FOR UPDATE',
        [user],
      );
      if (devices.length > 0)
        await changeDeviceTopics(
          tx,
          devices.map((device) => device.id),
          op,
          topics,
        );
    });
  }

  /**
   * Changes the topics of one device.
   * @throws ApiError 104 when there is no such device, 113 when `user` is given and it belongs to another
   */
  async updateDevice(id: string, op: TopicOp, topics: readonly string[], user: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const [device] = await tx.query<{ user_id: string }>(
        'SELECT user_id FROM carillon_devices WHERE id = $1 FOR UPDATE',
        [id],
      );
      if (!device) throw new ApiError('notFound', `device_id: no device "${id.slice(0, 64)}"`);
      if (user && device.user_id !== user)
        throw new ApiError('conflict', 'user: the device belongs to another user');
      await changeDeviceTopics(tx, [id], op, topics);
    });
  }

  async listDevice(
    request: DeviceTopicPageRequest,
  ): Promise<{ items: DeviceTopic[]; nextCursor: string; totalCount: number | undefined }> {
    const params = new Params();
    const conditions = [filterCondition(request.devices, params)];
    if (request.topics.length) conditions.push(`t.topic = ANY(${params.add(request.topics)}::text[])`);
    if (request.topicPrefix) conditions.push(`t.topic LIKE ${params.add(likePrefix(request.topicPrefix))}`);
    const from = `carillon_device_topics t JOIN carillon_devices d ON d.id = t.device_id WHERE ${conditions.join(' AND ')}`;
    const counted = [...params.values];
    const rows = await this.#db.query<{ topic_id: number; device_id: string; topic: string } & Device>(
      `SELECT t.id AS topic_id, t.device_id, t.topic ${request.device ? `, ${DEVICE_COLUMNS}` : ''}
       FROM ${from} AND t.id > ${params.add(request.cursor)} ORDER BY t.id LIMIT ${params.add(request.limit + 1)}`,
      params.values,
    );
    const more = rows.length > request.limit;
    if (more) rows.pop();
    const items = rows.map(({ topic_id: id, device_id, topic, ...device }) => ({
      id,
      device_id,
      topic,
      ...(request.device && { device }),
    }));
    const [count] = request.totalCount
      ? await this.#db.query<{ n: number }>(`SELECT count(*) AS n FROM ${from}`, counted)
      : [];
    return { items, nextCursor: more ? String(items.at(-1)?.id) : '', totalCount: count?.n };
  }

  async listUser(
    request: UserTopicPageRequest,
  ): Promise<{ items: UserTopic[]; nextCursor: string; totalCount: number | undefined }> {
    const params = new Params();
    const conditions = ['true'];
    if (request.users.length) conditions.push(`user_id = ANY(${params.add(request.users)}::text[])`);
    if (request.topics.length) conditions.push(`topic = ANY(${params.add(request.topics)}::text[])`);
    if (request.topicPrefix) conditions.push(`topic LIKE ${params.add(likePrefix(request.topicPrefix))}`);
    const condition = conditions.join(' AND ');
    const counted = [...params.values];
    const items = await this.#db.query<UserTopic>(
      `SELECT id, user_id AS user, topic FROM carillon_user_topics
       WHERE ${condition} AND id > ${params.add(request.cursor)} ORDER BY id LIMIT ${params.add(request.limit + 1)}`,
      params.values,
    );
    const more = items.length > request.limit;
    if (more) items.pop();
    const [count] = request.totalCount
      ? await this.#db.query<{ n: number }>(
          `SELECT count(*) AS n FROM carillon_user_topics WHERE ${condition}`,
          counted,
        )
      : [];
    return { items, nextCursor: more ? String(items.at(-1)?.id) : '', totalCount: count?.n };
  }
}

/** A LIKE pattern for a literal prefix. */
export function likePrefix(prefix: string): string {
  return `${prefix.replace(/[\\%_]/g, '\\$&')}%`;
}
