/** Calls of the server API that Centrifugo and Carillon are both asked, one after another, and what may differ. */

export interface Call {
  readonly method: string;
  /** Sent as it is when it is text, else as JSON. */
  readonly body?: unknown;
  readonly verb?: string;
  /** Instead of the right key. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the servers' configuration needs for these calls. */
export const PARITY_NAMESPACES = [
  { name: 'plain' },
  { name: 'lobby', presence: true, allow_subscribe_for_client: true },
  { name: 'object', publication_data_format: 'json_object' },
  { name: 'binary', publication_data_format: 'binary', history_size: 10, history_ttl: '60s' },
];

const base64 = (text: string) => Buffer.from(text).toString('base64');
const NEWS = { channel: 'personal:2', data: { n: 1 } };
const PLAIN = { channel: 'plain:1', data: { a: 1 } };

const REQUESTS: Readonly<Record<string, readonly unknown[]>> = {
  publish: [
    {},
    { channel: 'personal:1' },
    { channel: 'nope:1', data: {} },
    PLAIN,
    { channel: 'plain', data: {} },
    { channel: '$private', data: {} },
    { channel: 'with space', data: {} },
    { channel: `plain:${'x'.repeat(300)}`, data: {} },
    ...[null, 'text', [1], 0, false].map((data) => ({ channel: 'plain:1', data })),
    ...[{}, [1], 'text'].map((data) => ({ channel: 'object:1', data })),
    { channel: 'binary:1' },
    ...['hello', '{"a":1}'].map((text) => ({ channel: 'plain:1', b64data: base64(text) })),
    { channel: 'binary:1', b64data: base64('hello') },
    { channel: 'plain:1', b64data: '%%%' },
    NEWS,
    { ...NEWS, idempotency_key: 'once' },
    { ...NEWS, skip_history: true },
    { ...NEWS, tags: { kind: 'a' } },
    { channel: 'personal:3', data: 1, version: 5 },
    { channel: 'personal:3', data: 2, version: 4 },
    { channel: 'personal:3', data: 3, version: 4, version_epoch: 'another' },
    { channel: 'personal:3', data: 3, version: -1 },
    { ...PLAIN, channel: 5 },
    { ...PLAIN, channel: null },
    { ...PLAIN, tags: { a: 1 } },
    { ...PLAIN, skip_history: 'yes' },
    { ...PLAIN, unknown: 1 },
    { Channel: 'plain:1', data: {} },
    ...['', '{', 'null', '[]', '"text"', '{"channel":"plain:1","data":{}} more'],
  ],
  broadcast: [
    {},
    { channels: [] },
    { channels: ['plain:1', 'nope:1', '', 'personal:9'], data: {} },
    { channels: ['plain:1'] },
    { channels: ['plain:1'], b64data: '%%%' },
    { channels: 'plain:1', data: {} },
    { channels: ['personal:9', 'personal:9'], data: {}, idempotency_key: 'once' },
  ],
  presence: [{}, { channel: 'nope:1' }, { channel: 'plain:1' }, { channel: 'lobby:1' }],
  presence_stats: [{}, { channel: 'nope:1' }, { channel: 'plain:1' }, { channel: 'lobby:1' }],
  history: [
    {},
    { channel: 'plain:1' },
    { channel: 'nope:1' },
    { channel: 'personal:77' },
    ...[undefined, 2, -1, '2', 1.5].map((limit) => ({ channel: 'personal:2', limit })),
    { channel: 'personal:2', limit: 2, reverse: true },
    { channel: 'personal:2', limit: 2, since: { offset: 1, epoch: '' } },
    { channel: 'personal:2', limit: 2, since: { offset: 100, epoch: '' } },
    { channel: 'personal:2', limit: 2, since: { offset: 1, epoch: 'another' } },
    { channel: 'personal:2', limit: 2, since: { offset: 3 }, reverse: true },
    { channel: 'personal:2', limit: 2, since: { offset: 0 }, reverse: true },
    { channel: 'personal:2', limit: 2, since: { offset: -1 } },
    { channel: 'binary:1', limit: 10 },
  ],
  history_remove: [{}, { channel: 'plain:1' }, { channel: 'personal:2' }],
  channels: [
    {},
    ...['*', 'lobby:*', '{lobby,plain}:*', '[', '[]', '{a', '!x', 5].map((pattern) => ({ pattern })),
  ],
  info: [{}],
  rpc: [{}, { method: 'anything' }],
  subscribe: [
    {},
    { user: '1', channel: 'nope:1' },
    { user: '1', channel: 'plain:1' },
    { user: '1', channel: 'plain:1', expire_at: 'soon' },
  ],
  unsubscribe: [{}, { user: '1', channel: 'nope:1' }, { user: '1', channel: 'plain:1' }],
  disconnect: [
    {},
    { user: '1' },
    { user: '1', disconnect: { code: 4000, reason: 'x' }, whitelist: ['a'] },
    { user: '1', disconnect: { code: 10, reason: 'x' } },
    { user: '1', disconnect: { code: 4000, reason: 'x'.repeat(200) } },
  ],
  refresh: [{}, { user: '1' }, { user: '1', expire_at: 1 }, { user: '1', expired: true }],
  batch: [
    {},
    { commands: 'text' },
    { commands: [{ publish: { channel: 5 } }] },
    {
      commands: [
        { publish: PLAIN },
        { publish: { channel: 'nope:1', data: 1 } },
        {},
        null,
        { unheard: {} },
        { presence_stats: { channel: 'lobby:1' } },
        { broadcast: { channels: ['plain:1'], data: 1 } },
        { disconnect: { user: '1' } },
      ],
    },
    { commands: [{ publish: PLAIN }, { history: { channel: 'personal:9', limit: 1 } }], parallel: true },
    { commands: [{ history: { channel: 'personal:9' }, publish: PLAIN }] },
    { commands: [{ device_list: {} }] },
  ],
  unheard: [{}],
  'publish/': [PLAIN],
  map_stats: [{ channel: 'plain:1' }],
};

const TRANSPORT = { 'X-API-Key': 'api_key', 'X-Centrifugo-Error-Mode': 'transport' };
const AUTHORIZATION: readonly [string, Record<string, string>][] = [
  ['publish', {}],
  ['publish', { 'X-API-Key': 'wrong' }],
  ['publish', { Authorization: 'apikey api_key' }],
  ['publish', { Authorization: 'ApiKey api_key' }],
  ['publish', { Authorization: 'Bearer api_key' }],
  ['publish', { Authorization: 'apikey api_key more' }],
  ['publish', { 'X-API-Key': 'wrong', Authorization: 'apikey api_key' }],
  ['publish?api_key=api_key', {}],
  ['publish?api_key=wrong', {}],
  ['publish?api_key=api_key', { 'X-API-Key': 'wrong' }],
  ['publish', { 'X-API-Key': 'api_key', 'Content-Type': 'text/plain' }],
  ['publish', { 'X-API-Key': 'api_key', 'X-Centrifugo-Error-Mode': 'Transport' }],
];

/** Every request in both error modes, then keys and HTTP methods. */
export const PARITY_CALLS: readonly Call[] = [
  ...Object.entries(REQUESTS).flatMap(([method, bodies]) =>
    bodies.flatMap((body) => [
      { method, body },
      { method, body, headers: TRANSPORT },
    ]),
  ),
  ...AUTHORIZATION.map(([method, headers]) => ({ method, body: {}, headers })),
  ...['GET', 'PUT', 'DELETE', 'OPTIONS'].map((verb) => ({ method: 'publish', verb })),
  { method: 'unheard', verb: 'GET' },
  { method: '', body: { method: 'publish', params: PLAIN } },
];

/** A call that Carillon answers in another way on purpose: HTTP status and error code of each, without an error mode. */
export interface Difference {
  readonly method: string;
  readonly body: unknown;
  readonly centrifugo: readonly [status: number, code?: number];
  readonly carillon: readonly [status: number, code?: number];
  readonly why: string;
}

/** All there are: what is not listed is the same, and what is listed must not become the same unnoticed. */
export const PARITY_DIFFERENCES: readonly Difference[] = [
  {
    method: 'publish',
    body: { Channel: 'plain:1', data: {} },
    centrifugo: [200],
    carillon: [200, 107],
    why: 'names of members are taken as they are written; Go takes them in any case',
  },
  {
    method: 'history',
    body: { channel: 'personal:2', limit: 2, since: { offset: 0 }, reverse: true },
    centrifugo: [200, 100],
    carillon: [200, 107],
    why: 'it is the request that is wrong, not the server',
  },
  {
    method: 'history',
    body: { channel: 'binary:1', limit: 10 },
    centrifugo: [500],
    carillon: [200],
    why: 'bytes that are no JSON stand as b64data instead of failing the call',
  },
  ...['[', '[]'].map(
    (pattern): Difference => ({
      method: 'channels',
      body: { pattern },
      centrifugo: [200, 100],
      carillon: [200, 107],
      why: 'it is the pattern that is wrong, not the server',
    }),
  ),
  {
    method: 'unsubscribe',
    body: {},
    centrifugo: [200],
    carillon: [200, 107],
    why: 'without a channel nothing would be unsubscribed: said instead of passed over',
  },
  ...[
    { code: 10, reason: 'x' },
    { code: 4000, reason: 'x'.repeat(200) },
  ].map(
    (disconnect): Difference => ({
      method: 'disconnect',
      body: { user: '1', disconnect },
      centrifugo: [200],
      carillon: [200, 107],
      why: 'a WebSocket cannot be closed with this code or so long a reason',
    }),
  ),
  {
    method: 'batch',
    body: {},
    centrifugo: [200],
    carillon: [200],
    why: 'no replies are an empty list, not an absent one',
  },
  {
    method: 'batch',
    body: { commands: [{ device_list: {} }] },
    centrifugo: [200],
    carillon: [200],
    why: 'Carillon has the push API: 108 while it is off, instead of 104',
  },
  {
    method: 'map_stats',
    body: { channel: 'plain:1' },
    centrifugo: [200, 107],
    carillon: [404],
    why: 'Carillon has no map subscriptions',
  },
];
