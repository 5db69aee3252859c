import type { RedisStreamConsumerOptions } from '../../config/config.ts';
import type { SourceCommand } from '../consumer.ts';
import { commandOf, type Skipped } from '../kafka/record-command.ts';

/** An entry of a stream. */
export interface StreamEntry {
  readonly id: string;
  /** Names and values by turns; empty for an entry that was deleted before anybody settled it. */
  readonly fields: readonly string[];
}

type Options = Pick<RedisStreamConsumerOptions, 'payload_value' | 'method_value' | 'publication_data_mode'>;

/**
 * Turns an entry into a command: its fields are to it what headers are to a record of Kafka, and one of them is the
 * record's value (consumers, sections 3.2 and 6).
 */
export function commandOfEntry(
  { id, fields }: StreamEntry,
  stream: string,
  options: Options,
): SourceCommand | Skipped {
  if (fields.length === 0) return { skipped: 'the entry was deleted' };
  const { payload_value, method_value, publication_data_mode: mode } = options;
  const headers: [Buffer, Buffer][] = [];
  let payload: string | undefined;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [name, value] = [fields[index] as string, fields[index + 1] as string];
    if (name === payload_value) payload ??= value;
    else headers.push([Buffer.from(name), Buffer.from(value)]);
  }
  const place = { partition: stream, position: id };
  if (payload === undefined)
    return {
      ...place,
      method: '',
      body: fields.join(' '),
      problem: `the entry has no field ${payload_value}`,
    };
  return commandOf({ offset: 0n, value: Buffer.from(payload), headers }, place, {
    method_header: method_value,
    noun: 'field',
    publication_data_mode: {
      enabled: mode.enabled,
      channels_header: mode.channels_value,
      idempotency_key_header: mode.idempotency_key_value,
      delta_header: mode.delta_value,
      version_header: mode.version_value,
      version_epoch_header: mode.version_epoch_value,
      tags_header_prefix: mode.tags_value_prefix,
    },
  });
}

/** The entries of one stream in a reply to XREADGROUP, in either version of Redis' protocol. */
export function entriesOf(reply: unknown, stream: string): StreamEntry[] {
  if (reply === null || reply === undefined) return [];
  const pairs: [unknown, unknown][] = Array.isArray(reply)
    ? (reply as [unknown, unknown][])
    : reply instanceof Map
      ? [...reply]
      : Object.entries(reply);
  const [, list] = pairs.find(([name]) => String(name) === stream) ?? [];
  return toEntries(list);
}

/** The entries in a list of `[id, fields]`, as XAUTOCLAIM gives it. */
export function toEntries(list: unknown): StreamEntry[] {
  return ((list as [string, string[] | null][] | null) ?? []).map(([id, fields]) => ({
    id,
    fields: fields ?? [],
  }));
}
