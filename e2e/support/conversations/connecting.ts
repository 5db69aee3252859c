import { asks, begins, type Conversation, past, soon, subscribe } from './words.ts';

/** From the first frame to the end of `connect`. */
export const CONNECTING: readonly Conversation[] = [
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
  ...['none', 'constructor', '__proto__'].map(
    (alg): Conversation => [
      `a token of algorithm ${alg}`,
      begins(async (talk) => {
        const [, body, signature] = (await talk.token({ sub: '42' })).split('.');
        const head = Buffer.from(JSON.stringify({ alg })).toString('base64url');
        return JSON.stringify({ id: 1, connect: { token: `${head}.${body}.${signature}` } });
      }),
    ],
  ),
  ...['!', '='].map(
    (more): Conversation => [
      `a token with ${more} behind its signature`,
      begins(async (talk) =>
        JSON.stringify({
          id: 1,
          connect: { token: `${await talk.token({ sub: '42', exp: past() })}${more}` },
        }),
      ),
    ],
  ),
  [
    'a forged token that has expired, too',
    begins(async (talk) => {
      const token = await talk.token({ sub: '42', exp: past() });
      return JSON.stringify({ id: 1, connect: { token: `${token.slice(0, -4)}AAAA` } });
    }),
  ],
  [
    'a token with claims of the wrong kind',
    begins(async (talk) =>
      JSON.stringify({ id: 1, connect: { token: await talk.token({ sub: '42', channels: 'a' }) } }),
    ),
  ],
  [
    'a token for more channels than there may be',
    begins(async (talk) => {
      const channels = Array.from({ length: 129 }, (_, n) => `news:${n}`);
      return JSON.stringify({ id: 1, connect: { token: await talk.token({ sub: '42', channels }) } });
    }),
  ],
  [
    'positions at connect that are none',
    begins(async (talk) =>
      JSON.stringify({ id: 1, connect: { token: await talk.token({ sub: '42' }), subs: ['a'] } }),
    ),
  ],
  [
    'a token of nobody, and what nobody may',
    async (talk) => {
      const socket = await talk.connect({});
      await talk.ask(socket, subscribe('open:anonymous'));
      await talk.ask(socket, { publish: { channel: 'open:anonymous', data: 1 } });
      await talk.ask(socket, { presence: { channel: 'news:a' } });
    },
  ],
  [
    'tokens with an end of zero, below zero, and with parts of seconds',
    async (talk) => {
      for (const claims of [
        { exp: 0 },
        { expire_at: -1 },
        { expire_at: 0, exp: soon() },
        { exp: soon() + 0.5 },
        { exp: null, info: null, channels: null, subs: null },
      ])
        await talk.connect({ sub: '42', ...claims });
    },
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
    'a token with channels of names that objects know',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', channels: ['__proto__', 'constructor'] });
      await talk.api('publish', { channel: '__proto__', data: 1, tags: { t: '1' } });
      await talk.settle(socket);
    },
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
];
