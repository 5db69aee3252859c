import { isUtf8 } from 'node:buffer';
import type { KafkaConsumerOptions, PublicationDataMode } from '../../config/config.ts';
import { quoted } from '../command.ts';
import type { SourceCommand } from '../consumer.ts';
import type { KafkaItem } from './records.ts';

/** Where a record is, for logs and parked commands. */
export interface RecordPlace {
  /** `topic/partition` */
  readonly partition: string;
  readonly position: string;
}

/** A record that asks for nothing, and why; empty where that is nothing to speak of. */
export interface Skipped {
  readonly skipped: string;
}

/** Go's words for a boolean, which is how Centrifugo reads them. */
const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);
const UINT64_MAX = 2n ** 64n - 1n;

type Options = Pick<KafkaConsumerOptions, 'method_header' | 'publication_data_mode'> & {
  /** What a source calls its headers, for words; `header` unless it says so. */
  readonly noun?: 'header' | 'field';
};

/**
 * Turns a record into a command (consumers, section 3.2). A tombstone and JSON's `null`, which Debezium writes for a
 * deleted row, ask for nothing. A record in a wrong form is a command with a `problem`, so that it is parked.
 */
export function commandOf(item: KafkaItem, place: RecordPlace, options: Options): SourceCommand | Skipped {
  if (item.value === null) return { skipped: '' };
  const text = item.value.toString('utf8');
  if (text === 'null') return { skipped: '' };
  if (!isUtf8(item.value))
    return { ...place, method: '', body: text, problem: 'the value is not UTF-8 text' };
  const { publication_data_mode: dataMode, method_header, noun = 'header' } = options;
  if (dataMode.enabled) return publicationOf(item, text, place, dataMode, noun);
  const method = header(item, method_header) ?? '';
  const problem = method === '' ? wrongForm(text) : undefined;
  return { ...place, method, body: text, ...(problem && { problem }) };
}

function publicationOf(
  item: KafkaItem,
  text: string,
  place: RecordPlace,
  mode: PublicationDataMode,
  noun: string,
): SourceCommand | Skipped {
  const list = header(item, mode.channels_header) ?? '';
  if (list === '') return { skipped: `no ${noun} ${mode.channels_header}` };
  const channels = list.split(',');
  const method = channels.length === 1 ? 'publish' : 'broadcast';
  const broken = (problem: string): SourceCommand => ({ ...place, method, body: text, problem });

  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return broken('the value is not valid JSON');
  }
  const delta = header(item, mode.delta_header);
  if (delta && !TRUE.has(delta) && !FALSE.has(delta))
    return broken(`the ${noun} ${mode.delta_header} is ${quoted(delta)}: allowed is true or false`);
  const version = header(item, mode.version_header);
  if (version && !isUint64(version))
    return broken(
      `the ${noun} ${mode.version_header} is ${quoted(version)}: allowed is a whole number of 0 or more`,
    );
  const key = header(item, mode.idempotency_key_header);
  const epoch = header(item, mode.version_epoch_header);
  const tags = tagsOf(item, mode.tags_header_prefix);
  const body = {
    ...(method === 'publish' ? { channel: list } : { channels }),
    data,
    ...(key && { idempotency_key: key }),
    ...(delta && { delta: TRUE.has(delta) }),
    ...(version && { version: Number(version) }),
    ...(epoch && { version_epoch: epoch }),
    ...(tags.size > 0 && { tags: Object.fromEntries(tags) }),
  };
  return { ...place, method, body };
}

function isUint64(text: string): boolean {
  return /^\d+$/.test(text) && BigInt(text) <= UINT64_MAX;
}

/** The first header of that name counts; names are case-sensitive, and an empty one stands for none. */
function header({ headers }: KafkaItem, name: string): string | undefined {
  if (name === '') return undefined;
  for (const [key, value] of headers) if (key?.toString() === name) return value?.toString() ?? '';
  return undefined;
}

function tagsOf({ headers }: KafkaItem, prefix: string): Map<string, string> {
  const tags = new Map<string, string>();
  if (prefix === '') return tags;
  for (const [key, value] of headers) {
    const name = key?.toString() ?? '';
    const tag = name.slice(prefix.length);
    if (name.startsWith(prefix) && !tags.has(tag)) tags.set(tag, value?.toString() ?? '');
  }
  return tags;
}

/** Debezium's two frequent mistakes, in words that say what to set. */
function wrongForm(text: string): string | undefined {
  if (!text.startsWith('{"schema":') && !text.startsWith('{"before":')) return undefined;
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (body.method !== undefined) return undefined;
  if ('schema' in body && 'payload' in body)
    return 'the value is {schema, payload}: set value.converter.schemas.enable to false in the connector';
  if ('before' in body && 'after' in body && 'op' in body)
    return 'the value is a whole change event {before, after, op, …}: give the connector the transform ExtractField$Value with field "after"';
  return undefined;
}
