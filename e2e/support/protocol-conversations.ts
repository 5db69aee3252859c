import type { Talk } from './protocol-talk.ts';

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
  { name: 'regex', channel_regex: '^[a-z]+$', allow_subscribe_for_client: true },
  { name: 'plain' },
];

const past = () => Math.floor(Date.now() / 1000) - 100;
const soon = () => Math.floor(Date.now() / 1000) + 300;
const tf = { key: 'a', cmp: 'eq', val: '1' };
/** Little of it changes. */
const document = (n: number) => ({
  n,
  text: 'the same text in every publication, so that a delta is worth it. '.repeat(3),
});

/** A conversation in which commands are sent one after another on one connection. */
const asks =
  (...commands: object[]) =>
  async (talk: Talk) => {
    const socket = await talk.connect();
    for (const command of commands) await talk.ask(socket, command);
    await talk.settle(socket);
  };
/** A conversation of one connection that sends this text first. */
const begins = (text: string | ((talk: Talk) => Promise<string>)) => async (talk: Talk) => {
  const socket = await talk.open();
  socket.send(typeof text === 'string' ? text : await text(talk));
  await talk.closed(socket);
};
const subscribe = (channel: string, rest: object = {}) => ({ subscribe: { channel, ...rest } });

/** Three publications in a channel of this conversation's own. */
async function three(talk: Talk, channel: string): Promise<string> {
  let epoch = '';
  for (const n of [1, 2, 3]) {
    const { result } = await talk.api('publish', { channel, data: { n } });
    epoch = (result as { epoch: string }).epoch;
  }
  return epoch;
}

/** What is said, and where the servers are known to differ: why. */
export const CONVERSATIONS: readonly [
  what: string,
  converse: (talk: Talk) => Promise<void>,
  difference?: string,
][] = [
  ['an empty frame', begins(' ')],
  ['what is no JSON', begins('{"id":1')],
  ['a list', begins('[1]')],
  ['a command before connect', begins('{"id":1,"rpc":{}}')],
  ['a pong before connect', begins('{}')],
  ['connect without a token', begins('{"id":1,"connect":{}}')],
  ['a token that is none', begins('{"id":1,"connect":{"token":"x.y.z"}}')],
  [
    'a subscription token used to connect',
    begins(async (talk) =>
      JSON.stringify({ id: 1, connect: { token: await talk.token({ sub: '42', channel: 'a' }) } }),
    ),
  ],
  [
    'an unknown namespace asked for at connect',
    begins(async (talk) =>
      JSON.stringify({ id: 1, connect: { token: await talk.token({ sub: '42' }), subs: { 'nope:a': {} } } }),
    ),
  ],
  ['an expired token', async (talk) => void (await talk.connect({ sub: '42', exp: past() }))],
  ['a token that is not valid yet', async (talk) => void (await talk.connect({ sub: '42', nbf: soon() }))],
  [
    'a connection that has expired',
    async (talk) => void (await talk.connect({ sub: '42', expire_at: past() })),
  ],
  [
    'a token for an unknown namespace',
    async (talk) => void (await talk.connect({ sub: '42', channels: ['nope:a'] })),
  ],
  ['a token that expires', async (talk) => void (await talk.connect({ sub: '42', exp: soon() }))],
  [
    'a token with info and channels',
    async (talk) => void (await talk.connect({ sub: '42', info: { a: 1 }, channels: ['news:token'] })),
  ],
  [
    'a token with options for channels',
    async (talk) =>
      void (await talk.connect({ sub: '42', subs: { 'open:opts': { info: { i: 1 }, data: { d: 1 } } } })),
  ],
  [
    'channels asked for at connect',
    async (talk) =>
      void (await talk.connect(
        { sub: '42' },
        { subs: { 'wish:asked': {}, 'plain:no': {}, '$wish:no': {} } },
      )),
  ],
  ['a second connect', asks({ connect: {} })],
  [
    'a pong without a ping',
    async (talk) => {
      const socket = await talk.connect();
      socket.send('{}');
      await talk.closed(socket);
    },
  ],
  ['no known request', asks({ nonsense: {} })],
  ['a ping', asks({ ping: {} })],
  ['rpc', asks({ rpc: { method: 'x', data: {} } })],
  [
    'send',
    async (talk) => {
      const socket = await talk.connect();
      socket.send('{"send":{"data":{}}}');
      await talk.closed(socket);
    },
  ],
  [
    'commands in one frame',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('news:frame'),
        { history: { channel: 'news:frame', limit: 0 } },
        { unsubscribe: { channel: 'news:frame' } },
      );
      await talk.settle(socket);
    },
  ],

  ['subscribe: no channel', asks(subscribe(''))],
  ['subscribe: unknown delta', asks(subscribe('news:a', { delta: 'x' }))],
  ['subscribe: too long a name', asks(subscribe(`news:${'x'.repeat(255)}`))],
  ['subscribe: twice', asks(subscribe('wish:twice'), subscribe('wish:twice'))],
  ['subscribe: unknown namespace', asks(subscribe('nope:a'))],
  ['subscribe: not ASCII', asks(subscribe('open:ä'))],
  ['subscribe: a name that the namespace refuses', asks(subscribe('regex:A1'), subscribe('regex:abc'))],
  ['subscribe: private without a token', asks(subscribe('$news:a'))],
  ['subscribe: not permitted', asks(subscribe('plain:a'))],
  [
    'subscribe: a user’s own channel',
    asks(subscribe('open:a#42'), subscribe('open:a#1,42'), subscribe('open:a#43')),
  ],
  [
    'subscribe: map and shared poll',
    asks(
      subscribe('news:a', { type: 1 }),
      subscribe('news:b', { type: 2 }),
      subscribe('news:c', { type: 4 }),
    ),
  ],
  ['subscribe: filter where none is allowed', asks(subscribe('news:a', { tf }))],
  [
    'subscribe: filter that is none',
    asks(subscribe('tagged:a', { tf: { key: 'a', cmp: 'like', val: 'x' } })),
  ],
  ['subscribe: filter', asks(subscribe('tagged:a', { tf }))],
  [
    'subscribe: a token',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('plain:token', {
          token: await talk.token({ sub: '42', channel: 'plain:token', exp: soon(), data: { d: 1 } }),
        }),
      );
      await talk.settle(socket);
    },
  ],
  [
    'subscribe: an expired token',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('plain:a', { token: await talk.token({ sub: '42', channel: 'plain:a', exp: past() }) }),
      );
    },
  ],
  [
    'subscribe: a token for another channel',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('plain:a', { token: await talk.token({ sub: '42', channel: 'plain:b' }) }),
      );
    },
  ],
  [
    'subscribe: a token for another user',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('plain:a', { token: await talk.token({ sub: '43', channel: 'plain:a' }) }),
      );
    },
  ],
  ['subscribe: an invalid token', asks(subscribe('plain:a', { token: 'x.y.z' }))],
  [
    'subscribe: a subscription that has expired',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe('plain:a', {
          token: await talk.token({ sub: '42', channel: 'plain:a', expire_at: past() }),
        }),
      );
    },
  ],
  [
    'subscribe: wishes that are granted',
    asks(
      subscribe('wish:a', { recoverable: true }),
      subscribe('wish:b', { positioned: true }),
      subscribe('position:a', { positioned: true }),
      subscribe('position:b', { recoverable: true }),
    ),
  ],
  [
    'subscribe: wishes that are not',
    asks(
      subscribe('open:w', { recoverable: true, positioned: true, recover: true, delta: 'fossil' }),
      subscribe('wish:j', { join_leave: true }),
    ),
  ],
  [
    'subscribe: delta',
    asks(
      subscribe('delta:a', { delta: 'fossil' }),
      subscribe('wish:d', { delta: 'fossil', recoverable: true }),
    ),
  ],

  [
    'recover: nothing missed',
    async (talk) => {
      const channel = 'news:r1';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 3, epoch }));
    },
  ],
  [
    'recover: two missed',
    async (talk) => {
      const channel = 'news:r2';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 1, epoch }));
    },
  ],
  [
    'recover: from the beginning, without an epoch',
    async (talk) => {
      const channel = 'news:r3';
      await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true }));
    },
  ],
  [
    'recover: another epoch',
    async (talk) => {
      const channel = 'news:r4';
      await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 1, epoch: 'other' }));
    },
  ],
  [
    'recover: another epoch, or nothing',
    async (talk) => {
      const channel = 'news:r5';
      await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 1, epoch: 'other', flag: 2 }));
    },
  ],
  [
    'recover: an offset that is not there yet',
    async (talk) => {
      const channel = 'news:r6';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 9, epoch }));
    },
  ],
  [
    'recover: more missed than is kept',
    async (talk) => {
      const channel = 'news:r7';
      let epoch = '';
      for (let n = 0; n < 5; n++) epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 2, epoch }));
    },
  ],
  [
    'recover: by deltas',
    async (talk) => {
      const channel = 'delta:r8';
      for (const n of [1, 2, 3]) await talk.api('publish', { channel, data: document(n) });
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, delta: 'fossil' }));
    },
    'the deltas are of another encoder, and both are right: delta.test.ts applies Carillon’s',
  ],
  [
    'recover: the newest alone',
    async (talk) => {
      const channel = 'cache:r9';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 1, epoch }));
      await talk.ask(socket, { unsubscribe: { channel } });
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 3, epoch }));
      await talk.ask(socket, { unsubscribe: { channel } });
      await talk.ask(socket, subscribe(channel));
    },
  ],
  ['recover: the newest of none', asks(subscribe('cache:r10', { recover: true }))],
  [
    'recover: with a filter',
    async (talk) => {
      const channel = 'tagged:r11';
      for (const n of [1, 2, 3]) await talk.api('publish', { channel, data: n, tags: { a: String(n % 2) } });
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { recover: true, tf }));
    },
  ],
  [
    'recover: a channel of the token',
    async (talk) => {
      const channel = 'news:r12';
      const epoch = await three(talk, channel);
      await talk.connect(
        { sub: '42', channels: [channel] },
        { subs: { [channel]: { recover: true, offset: 2, epoch } } },
      );
    },
  ],

  [
    'publish',
    async (talk) => {
      const channel = 'open:publish';
      const socket = await talk.connect({ sub: '42', info: { n: 1 } });
      await talk.ask(socket, subscribe(channel));
      await talk.ask(socket, { publish: { channel, data: { a: [1, 'ü'] } } });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"pub"'));
    },
  ],
  [
    'publish: errors',
    asks(
      { publish: { channel: 'nope:a', data: 1 } },
      { publish: { channel: 'news:a', data: 1 } },
      { publish: { channel: 'plain:a', data: 1 } },
      { publish: { channel: 'open:a' } },
      { publish: { channel: 'object:a', data: 1 } },
      { publish: { channel: 'object:a', data: { a: 1 } } },
    ),
  ],
  ['publish: a map', asks({ publish: { channel: 'open:a', data: 1, type: 1, key: 'k' } })],
  ['publish: no channel', asks({ publish: { channel: '', data: 1 } })],
  [
    'publication with history, tags, and its epoch',
    async (talk) => {
      const channel = 'news:p1';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel));
      for (const n of [1, 2]) await talk.api('publish', { channel, data: n, tags: { t: '1' } });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"offset":2'));
    },
  ],
  [
    'publications that a filter keeps back',
    async (talk) => {
      const channel = 'tagged:p2';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { tf }));
      for (const n of [1, 2, 3]) await talk.api('publish', { channel, data: n, tags: { a: String(n % 2) } });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"offset":3'));
    },
  ],
  [
    'publication, whole, to who takes deltas',
    async (talk) => {
      const channel = 'delta:p3';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { delta: 'fossil' }));
      await talk.api('publish', { channel, data: document(1) });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"pub"'));
    },
  ],
  [
    'join and leave',
    async (talk) => {
      const channel = 'open:join';
      const socket = await talk.connect({ sub: '42', info: { n: 1 } });
      await talk.ask(socket, subscribe(channel));
      await talk.until(socket, (message) => JSON.stringify(message).includes('"join"'));
      await talk.ask(socket, { unsubscribe: { channel } });
      await talk.settle(socket);
    },
  ],

  [
    'unsubscribe',
    asks(subscribe('wish:u'), { unsubscribe: { channel: 'wish:u' } }, { unsubscribe: { channel: 'wish:u' } }),
  ],
  ['unsubscribe: no channel', asks({ unsubscribe: { channel: '' } })],
  [
    'presence',
    asks(
      subscribe('news:presence'),
      { presence: { channel: 'news:presence' } },
      { presence_stats: { channel: 'news:presence' } },
      { presence: { channel: 'open:none' } },
      { presence: { channel: 'wish:none' } },
      { presence_stats: { channel: 'nope:a' } },
    ),
  ],
  [
    'presence: nobody',
    asks({ presence: { channel: 'news:nobody' } }, { presence_stats: { channel: 'news:nobody' } }),
  ],
  [
    'history',
    async (talk) => {
      const channel = 'news:h1';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel));
      for (const request of [
        {},
        { limit: 2 },
        { limit: -1 },
        { limit: 1, reverse: true },
        { limit: 5, since: { offset: 1, epoch } },
        { limit: 5, since: { offset: 3, epoch }, reverse: true },
        { limit: 5, since: { offset: 0, epoch }, reverse: true },
        { limit: 5, since: { offset: 1, epoch: 'x' } },
        { limit: 100_000 },
      ])
        await talk.ask(socket, { history: { channel, ...request } });
    },
  ],
  [
    'history: errors',
    asks(
      { history: { channel: 'open:a' } },
      { history: { channel: 'news:a' } },
      { history: { channel: 'nope:a' } },
    ),
  ],
  ['history: no channel', asks({ history: {} })],
  [
    'refresh',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon() });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42', exp: soon() }) } });
    },
  ],
  ['refresh: no token', asks({ refresh: {} })],
  [
    'refresh: an expired token',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon() });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42', exp: past() }) } });
    },
  ],
  [
    'refresh: another user',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon() });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '43', exp: soon() }) } });
    },
  ],
  [
    'refresh: other channels',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon(), channels: ['news:a'] });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42', exp: soon() }) } });
    },
  ],
  [
    'sub_refresh: not subscribed, and no token',
    asks({ sub_refresh: { channel: 'news:a', token: 'x' } }, subscribe('wish:s'), {
      sub_refresh: { channel: 'wish:s' },
    }),
  ],
  [
    'sub_refresh',
    async (talk) => {
      const channel = 'plain:s';
      const jwt = () => talk.token({ sub: '42', channel, exp: soon() });
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { token: await jwt() }));
      await talk.ask(socket, { sub_refresh: { channel, token: await jwt() } });
    },
  ],
  [
    'sub_refresh: another channel',
    async (talk) => {
      const channel = 'plain:s2';
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe(channel, { token: await talk.token({ sub: '42', channel, exp: soon() }) }),
      );
      await talk.ask(socket, {
        sub_refresh: { channel, token: await talk.token({ sub: '42', channel: 'plain:x', exp: soon() }) },
      });
    },
  ],
  [
    'sub_refresh: an expired token',
    async (talk) => {
      const channel = 'plain:s3';
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe(channel, { token: await talk.token({ sub: '42', channel, exp: soon() }) }),
      );
      await talk.ask(socket, {
        sub_refresh: { channel, token: await talk.token({ sub: '42', channel, exp: past() }) },
      });
    },
    'Centrifugo takes it and lets the subscription live for ever',
  ],

  [
    'the server subscribes, with what was missed',
    async (talk) => {
      const channel = 'news:api';
      const epoch = await three(talk, channel);
      const socket = await talk.connect({ sub: 'api-user' });
      await talk.api('subscribe', {
        user: 'api-user',
        channel,
        data: { d: 1 },
        recover_since: { offset: 1, epoch },
      });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"subscribe"'));
      await talk.settle(socket);
    },
    'Centrifugo says where the client stands then, and never sends what it has missed',
  ],
  [
    'the server unsubscribes',
    async (talk) => {
      const channel = 'news:api2';
      const socket = await talk.connect({ sub: 'api-user2' });
      await talk.ask(socket, subscribe(channel));
      await talk.api('unsubscribe', { user: 'api-user2', channel });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"unsubscribe"'));
    },
  ],
  [
    'the server disconnects',
    async (talk) => {
      const socket = await talk.connect({ sub: 'api-user3' });
      await talk.api('disconnect', { user: 'api-user3' });
      await talk.closed(socket);
    },
  ],
  [
    'the server refreshes',
    async (talk) => {
      const socket = await talk.connect({ sub: 'api-user4', exp: soon() });
      await talk.api('refresh', { user: 'api-user4', expire_at: soon() + 100 });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"refresh"'));
    },
  ],

  [
    'one-way WebSocket',
    async (talk) => {
      const socket = await talk.open('/connection/uni_websocket');
      socket.send(
        JSON.stringify({
          token: await talk.token({ sub: '42', channels: ['news:uni'] }),
          subs: { 'wish:uni': {}, 'plain:no': {} },
        }),
      );
      await talk.until(socket, (message) => 'connect' in message);
      await talk.api('publish', { channel: 'news:uni', data: 1 });
      await talk.until(socket, (message) => 'pub' in message);
    },
  ],
  [
    'one-way WebSocket: refused',
    async (talk) => {
      const socket = await talk.open('/connection/uni_websocket');
      socket.send('{"token":"x"}');
      await talk.closed(socket);
    },
  ],
  [
    'one-way WebSocket: expired',
    async (talk) => {
      const socket = await talk.open('/connection/uni_websocket');
      socket.send(JSON.stringify({ token: await talk.token({ sub: '42', exp: past() }) }));
      await talk.closed(socket);
    },
  ],
  [
    'one-way WebSocket: nonsense',
    async (talk) => {
      const socket = await talk.open('/connection/uni_websocket');
      socket.send('x');
      await talk.closed(socket);
    },
    'Carillon says so by a push, too, as at every other end',
  ],
  [
    'HTTP answers of the streams and of emulation',
    async (talk) => {
      for (const [path, method, body] of [
        ['http_stream', 'GET', undefined],
        ['http_stream', 'PUT', ''],
        ['http_stream', 'OPTIONS', undefined],
        ['http_stream', 'POST', 'x'.repeat(70_000)],
        ['sse', 'GET', undefined],
        ['sse', 'PUT', ''],
        ['uni_http_stream', 'POST', ''],
        ['uni_http_stream', 'POST', '[]'],
        ['uni_http_stream', 'GET', undefined],
        ['uni_sse', 'POST', '{'],
        ['uni_sse?cf_connect=[', 'GET', undefined],
        ['../emulation', 'GET', undefined],
        ['../emulation', 'OPTIONS', undefined],
        ['../emulation', 'POST', '{'],
        ['../emulation', 'POST', '{"node":"x","session":"y","data":""}'],
      ] as const)
        talk.note([path, method, body?.length, await talk.http(path, method, body)]);
    },
  ],
  [
    'HTTP streams: refused',
    async (talk) => {
      for (const [path, body] of [
        ['http_stream', '{"id":1,"connect":{"token":"x"}}'],
        ['sse', '{"id":1,"connect":{"token":"x"}}'],
        ['uni_http_stream', '{"token":"x"}'],
        ['uni_sse', '{"token":"x"}'],
      ] as const)
        talk.note([path, await talk.http(path, 'POST', body)]);
    },
  ],
];
