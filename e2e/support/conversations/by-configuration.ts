import { token } from '../../../packages/carillon/test/support/realtime.ts';
import { begins, type Conversation, past, soon, subscribe, three } from './words.ts';

const OTHER_SECRET = 'another secret for tests';

/** Connects without a token, and sends commands one after another. */
const nobody =
  (...commands: object[]): Conversation[1] =>
  async (talk) => {
    const socket = await talk.open();
    await talk.ask(socket, { connect: {} });
    for (const command of commands) await talk.ask(socket, command);
    await talk.settle(socket);
  };

/** With everything open. */
const INSECURE: readonly Conversation[] = [
  [
    'nobody may nearly everything',
    nobody(
      subscribe('plain:a'),
      subscribe('$plain:a'),
      subscribe('open:a#7'),
      subscribe('wish:r', { recoverable: true }),
      subscribe('nope:a'),
      { publish: { channel: 'plain:x', data: 1 } },
      { history: { channel: 'wish:a' } },
      { presence: { channel: 'news:a' } },
    ),
  ],
  ['a token with an end to come', async (talk) => void (await talk.connect({ sub: '42', exp: soon() }))],
  ['an expired token', async (talk) => void (await talk.connect({ sub: '42', exp: past() }))],
  [
    'a connection that has ended',
    async (talk) => void (await talk.connect({ sub: '42', expire_at: past() })),
  ],
  ['a token that is none', begins('{"id":1,"connect":{"token":"x.y.z"}}')],
  ['a subscription token that is none', nobody(subscribe('plain:a', { token: 'x.y.z' }))],
];

/** With small limits, and subscription tokens of a secret of their own. */
const LIMITED: readonly Conversation[] = [
  ['nobody, without a token', nobody(subscribe('open:a'), { history: { channel: 'news:a' } })],
  [
    'nobody, by a token',
    begins(async (talk) => JSON.stringify({ id: 1, connect: { token: await talk.token({}) } })),
  ],
  [
    'history up to its limit',
    async (talk) => {
      const channel = 'news:limit';
      await three(talk, channel);
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel));
      for (const limit of [-1, 0, 1, 2, 3]) await talk.ask(socket, { history: { channel, limit } });
    },
  ],
  [
    'recovery up to its limit',
    async (talk) => {
      const channel = 'news:missed';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      for (const offset of [0, 1]) {
        await talk.ask(socket, subscribe(channel, { recover: true, offset, epoch }));
        await talk.ask(socket, { unsubscribe: { channel } });
      }
    },
  ],
  [
    'channels of the token count, too',
    async (talk) => {
      const socket = await talk.connect({ sub: '42', channels: ['news:1', 'news:2'] });
      await talk.ask(socket, subscribe('wish:1'));
      await talk.ask(socket, subscribe('wish:2'));
    },
  ],
  [
    'the longest name, and one longer',
    nobody(subscribe(`wish:${'x'.repeat(35)}`), subscribe(`wish:${'x'.repeat(36)}`)),
  ],
  [
    'a subscription token by the secret of connections, and by its own',
    async (talk) => {
      const claims = { sub: '42', channel: 'plain:own' };
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(claims.channel, { token: await talk.token(claims) }));
      await talk.ask(socket, subscribe(claims.channel, { token: await token(claims, OTHER_SECRET) }));
      await talk.settle(socket);
    },
  ],
  [
    'a connection token by the secret of subscriptions',
    begins(async () =>
      JSON.stringify({ id: 1, connect: { token: await token({ sub: '42' }, OTHER_SECRET) } }),
    ),
  ],
];

/** Conversations under other options of `client` and `channel` than the common ones. */
export const BY_CONFIGURATION: readonly [
  what: string,
  options: { readonly client: object; readonly channel: object },
  conversations: readonly Conversation[],
][] = [
  ['under client.insecure', { client: { insecure: true }, channel: {} }, INSECURE],
  [
    'under small limits',
    {
      client: {
        allow_anonymous_connect_without_token: true,
        disallow_anonymous_connection_tokens: true,
        history_max_publication_limit: 2,
        recovery_max_publication_limit: 2,
        connect_include_server_time: true,
        channel_limit: 3,
        subscription_token: { enabled: true, hmac_secret_key: OTHER_SECRET },
      },
      channel: { max_length: 40 },
    },
    LIMITED,
  ],
];
