import type { ProviderName } from '../providers/provider.ts';

/** Which devices: values inside one field are OR, different fields AND (push-api, section 3.4). */
export interface DeviceFilter {
  readonly ids?: readonly string[];
  readonly users?: readonly string[];
  readonly topics?: readonly string[];
  readonly providers?: readonly string[];
  readonly platforms?: readonly string[];
  /** Our addition; the empty name is the default app's. */
  readonly apps?: readonly string[];
  /** Devices that are left out even though they match: our addition. */
  readonly exclude?: { readonly ids?: readonly string[]; readonly users?: readonly string[] };
}

/** Gathers the positional parameters of one statement. */
export class Params {
  readonly values: unknown[] = [];

  /** Adds a value and gives back its placeholder. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/**
 * That a column has one of these values. For a single one it is said as an equation: along an index that begins with the
 * column, rows then come in the order of the rest, and a page of them needs neither a sort nor a walk through the others.
 */
function oneOf(column: string, values: readonly string[], params: Params): string {
  const [value, ...more] = values;
  return more.length === 0
    ? `${column} = ${params.add(value)}`
    : `${column} = ANY(${params.add(values)}::text[])`;
}

/** True when nothing narrows the filter: it would mean everybody, of an app or of all. */
export function isEmptyFilter(filter: DeviceFilter): boolean {
  return [filter.ids, filter.users, filter.topics, filter.providers, filter.platforms].every(
    (list) => !list?.length,
  );
}

/**
 * The condition on `carillon_devices AS d`, `true` for an empty filter. Empty lists do not narrow.
 *
 * @param after placeholder of a cursor that the ids must be behind anyway. Said of the topics, too, it lets the database
 *   begin there: without it a page in the middle of a million would read all that come before.
 */
export function filterCondition(filter: DeviceFilter, params: Params, after?: string): string {
  const conditions: string[] = [];
  const anyOf = (column: string, list: readonly string[] | undefined) => {
    if (list?.length) conditions.push(oneOf(column, list, params));
  };
  anyOf('d.id', filter.ids);
  anyOf('d.user_id', filter.users);
  anyOf('d.provider', filter.providers);
  anyOf('d.platform', filter.platforms);
  anyOf('d.app', filter.apps);
  if (filter.topics?.length) {
    const ofTopics = oneOf('t.topic', filter.topics, params);
    conditions.push(
      `EXISTS (SELECT FROM carillon_device_topics t WHERE t.device_id = d.id AND ${ofTopics}${
        after ? ` AND t.device_id > ${after}` : ''
      })`,
    );
  }
  const { ids, users } = filter.exclude ?? {};
  if (ids?.length) conditions.push(`d.id <> ALL(${params.add(ids)}::text[])`);
  if (users?.length) conditions.push(`d.user_id <> ALL(${params.add(users)}::text[])`);
  return conditions.join(' AND ') || 'true';
}

/** A device as a page of recipients lists it. */
export interface RecipientRow {
  readonly id: string;
  readonly provider: ProviderName;
  /** With the next, only where limits are to be looked at. */
  readonly user?: string;
  readonly timezone?: string;
}

/**
 * One keyset page of matching devices after `cursor`, by id. A single topic, the case of a room, is read along the topic's
 * own index, so that a page costs the same at the millionth device as at the first.
 */
export function recipientPage(
  filter: DeviceFilter,
  providers: readonly ProviderName[],
  cursor: string,
  limit: number,
  withLimits = false,
): { text: string; values: unknown[] } {
  const params = new Params();
  const columns = `d.id, d.provider${withLimits ? ', d.user_id AS user, d.timezone' : ''}`;
  const own = oneOf('d.provider', providers, params);
  const after = params.add(cursor);
  if (filter.topics?.length === 1) {
    const topic = params.add(filter.topics[0]);
    const rest = filterCondition({ ...filter, topics: [] }, params);
    return {
      text: `SELECT ${columns} FROM carillon_device_topics t JOIN carillon_devices d ON d.id = t.device_id
        WHERE t.topic = ${topic} AND t.device_id > ${after} AND d.id > ${after} AND ${own} AND ${rest}
        ORDER BY t.device_id LIMIT ${params.add(limit)}`,
      values: params.values,
    };
  }
  const condition = filterCondition(filter, params, after);
  return {
    text: `SELECT ${columns} FROM carillon_devices d WHERE d.id > ${after} AND ${own} AND ${condition}
      ORDER BY d.id LIMIT ${params.add(limit)}`,
    values: params.values,
  };
}
