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
    'publish: no data, where any bytes are data',
    async (talk) => {
      const channel = 'bytes:none';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel));
      await talk.ask(socket, { publish: { channel } });
      await talk.ask(socket, { publish: { channel, data: null } });
      await talk.api('publish', { channel });
      await talk.until(socket, (message) => JSON.stringify(message).includes('"offset":3'));
      await talk.ask(socket, { history: { channel, limit: 10 } });
    },
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
];
