import type { Talk } from '../protocol-talk.ts';

const HISTORY = { history_size: 10, history_ttl: '60s' };
export const PROTOCOL_NAMESPACES = [
  {
    name: 'news',
    ...HISTORY,
    force_recovery: true,
    allow_subscribe_for_client: true,
    allow_publish_for_subscriber: true,
    allow_history_for_subscriber: true,
    allow_presence_for_client: true,
    presence: true,
    allowed_delta_types: ['fossil'],
  },
  {
    name: 'open',
    allow_subscribe_for_client: true,
    allow_publish_for_client: true,
    allow_presence_for_subscriber: true,
    allow_user_limited_channels: true,
    presence: true,
    join_leave: true,
    force_push_join_leave: true,
  },
  { name: 'wish', ...HISTORY, allow_recovery: true, allow_subscribe_for_client: true },
  { name: 'position', ...HISTORY, allow_positioning: true, allow_subscribe_for_client: true },
  {
    name: 'cache',
    ...HISTORY,
    force_recovery: true,
    force_recovery_mode: 'cache',
    allow_subscribe_for_client: true,
  },
  {
    name: 'tagged',
    ...HISTORY,
    force_recovery: true,
    allow_tags_filter: true,
    allow_subscribe_for_client: true,
  },
  {
    name: 'delta',
    ...HISTORY,
    force_recovery: true,
    allowed_delta_types: ['fossil'],
    delta_publish: true,
    allow_subscribe_for_client: true,
  },
  {
    name: 'object',
    publication_data_format: 'json_object',
    allow_subscribe_for_client: true,
    allow_publish_for_client: true,
  },
  {
    name: 'bytes',
    ...HISTORY,
    publication_data_format: 'binary',
    allow_recovery: true,
    allowed_delta_types: ['fossil'],
    allow_subscribe_for_client: true,
    allow_publish_for_client: true,
    allow_history_for_client: true,
  },
  {
    name: 'both',
    ...HISTORY,
    force_recovery: true,
    allow_tags_filter: true,
    allowed_delta_types: ['fossil'],
    allow_subscribe_for_client: true,
  },
  {
    name: 'auto',
    ...HISTORY,
    force_recovery: true,
    force_recovery_mode: 'cache',
    auto_cache_recover: true,
    allow_subscribe_for_client: true,
  },
  { name: 'regex', channel_regex: '^[a-z]+$', allow_subscribe_for_client: true },
  { name: 'plain' },
];

export const past = () => Math.floor(Date.now() / 1000) - 100;
export const soon = () => Math.floor(Date.now() / 1000) + 300;
export const tf = { key: 'a', cmp: 'eq', val: '1' };
/** Little of it changes. */
export const document = (n: number) => ({
  n,
  text: 'the same text in every publication, so that a delta is worth it. '.repeat(3),
});

/** A conversation in which commands are sent one after another on one connection. */
export const asks =
  (...commands: object[]) =>
  async (talk: Talk) => {
    const socket = await talk.connect();
    for (const command of commands) await talk.ask(socket, command);
    await talk.settle(socket);
  };
/** A conversation of one connection that sends this text first. */
export const begins = (text: string | ((talk: Talk) => Promise<string>)) => async (talk: Talk) => {
  const socket = await talk.open();
  socket.send(typeof text === 'string' ? text : await text(talk));
  await talk.closed(socket);
};
export const subscribe = (channel: string, rest: object = {}) => ({ subscribe: { channel, ...rest } });

/** Three publications in a channel of this conversation's own. */
export async function three(talk: Talk, channel: string): Promise<string> {
  let epoch = '';
  for (const n of [1, 2, 3]) {
    const { result } = await talk.api('publish', { channel, data: { n } });
    epoch = (result as { epoch: string }).epoch;
  }
  return epoch;
}

/** What is said, and where the servers are known to differ: why. */
export type Conversation = readonly [
  what: string,
  converse: (talk: Talk) => Promise<void>,
  difference?: string,
];
