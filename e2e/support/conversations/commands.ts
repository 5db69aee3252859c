import { asks, type Conversation, document, past, soon, subscribe, tf, three } from './words.ts';

/** What a client asks for once it is connected. */
export const COMMANDS: readonly Conversation[] = [
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
  [
    'publish: nothing, where bytes may be published',
    async (talk) => {
      const channel = 'bytes:nothing';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel));
      for (const rest of [{}, { data: null }]) {
        await talk.ask(socket, { publish: { channel, ...rest } });
        await talk.settle(socket);
      }
      await talk.ask(socket, { history: { channel, limit: 5 } });
      talk.note(await talk.api('history', { channel, limit: 5 }));
      talk.note(await talk.api('publish', { channel: 'bytes:api' }));
      talk.note(await talk.api('history', { channel: 'bytes:api', limit: 5 }));
    },
  ],
  [
    'publication of nothing to who takes deltas',
    async (talk) => {
      const channel = 'bytes:delta';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { delta: 'fossil', recoverable: true }));
      for (const rest of [{ data: 1 }, {}, { data: 2 }])
        await talk.api('publish', { channel, delta: true, ...rest });
      await talk.settle(socket);
    },
  ],
  [
    'publication of bytes to who takes JSON',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(socket, subscribe('bytes:json'));
      await talk.api('publish', { channel: 'bytes:json', b64data: '/w==' });
      await talk.closed(socket);
    },
  ],
  ['publish: a name that no subscriber can have', asks({ publish: { channel: '$open:x', data: 1 } })],
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
  [
    'unsubscribe: channels of the token',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', channels: ['news:u1', 'open:u2'] });
      await talk.settle(socket);
      await talk.ask(
        socket,
        { unsubscribe: { channel: 'news:u1' } },
        { unsubscribe: { channel: 'open:u2' } },
      );
      await talk.api('publish', { channel: 'news:u1', data: 1 });
      await talk.settle(socket);
      await talk.ask(socket, subscribe('news:u1'));
    },
  ],
  ...[['news:u3'], ['news:u3', 'news:u4']].map(
    (channels): Conversation => [
      `unsubscribe: a channel of the token, and a refresh with ${channels.length} of 2`,
      async (talk) => {
        const socket = await talk.connect({ sub: '42', exp: soon(), channels: ['news:u3', 'news:u4'] });
        await talk.ask(socket, { unsubscribe: { channel: 'news:u4' } });
        const token = await talk.token({ sub: '42', exp: soon(), channels });
        await talk.ask(socket, { refresh: { token } });
      },
    ],
  ),
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
  [
    'history: a position that cannot be',
    asks(subscribe('news:h2'), { history: { channel: 'news:h2', since: { offset: -1, epoch: '' } } }),
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
    'refresh: a connection that has ended',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon() });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42', expire_at: past() }) } });
    },
  ],
  [
    'refresh: for ever, and by a token for a channel',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', exp: soon() });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42' }) } });
      await talk.ask(socket, { refresh: { token: await talk.token({ sub: '42', channel: 'a' }) } });
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
  ['sub_refresh: no channel', asks({ sub_refresh: { channel: '', token: 'x' } })],
  [
    'sub_refresh: a channel of the connection token',
    async (talk) => {
      const channel = 'news:s4';
      const socket = await talk.connect({ sub: '42', channels: [channel] });
      await talk.ask(socket, {
        sub_refresh: { channel, token: await talk.token({ sub: '42', channel, exp: soon() }) },
      });
    },
  ],
  [
    'sub_refresh: a subscription that has ended, and one for ever',
    async (talk) => {
      const channel = 'plain:s5';
      const refresh = async (claims: object) => ({
        sub_refresh: { channel, token: await talk.token({ sub: '42', channel, ...claims }) },
      });
      const socket = await talk.connect();
      await talk.ask(
        socket,
        subscribe(channel, { token: await talk.token({ sub: '42', channel, exp: soon() }) }),
      );
      await talk.ask(socket, await refresh({ expire_at: past() }));
      await talk.ask(socket, await refresh({}));
    },
  ],
  [
    'sub_refresh: an invalid token',
    asks(subscribe('wish:s6'), { sub_refresh: { channel: 'wish:s6', token: 'x.y.z' } }),
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
];
