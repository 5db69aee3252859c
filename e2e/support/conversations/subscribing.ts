import { asks, type Conversation, document, past, soon, subscribe, tf, three } from './words.ts';

/** Subscriptions, and what was missed. */
export const SUBSCRIBING: readonly Conversation[] = [
  ['subscribe: no channel', asks(subscribe(''))],
  ['subscribe: unknown delta', asks(subscribe('news:a', { delta: 'x' }))],
  ['subscribe: too long a name', asks(subscribe(`news:${'x'.repeat(255)}`))],
  ['subscribe: twice', asks(subscribe('wish:twice'), subscribe('wish:twice'))],
  ['subscribe: unknown namespace', asks(subscribe('nope:a'))],
  ['subscribe: not ASCII', asks(subscribe('open:ä'))],
  ['subscribe: a name that the namespace refuses', asks(subscribe('regex:A1'), subscribe('regex:abc'))],
  ['subscribe: private without a token', asks(subscribe('$news:a'))],
  [
    'subscribe: names at the edge',
    asks(
      subscribe(':a'),
      subscribe('$'),
      subscribe('$:a'),
      subscribe('open:'),
      subscribe('open:a:b'),
      subscribe('open:a b'),
      subscribe('$open:a#42'),
      subscribe('__proto__'),
      subscribe('constructor:a'),
    ),
  ],
  [
    'subscribe: a name with a control character',
    asks(subscribe('open:\u0007')),
    'Carillon takes names that can be shown',
  ],
  [
    'subscribe: nobody in the list of users',
    async (talk) => {
      const socket = await talk.connect({});
      await talk.ask(socket, subscribe('open:a#'));
    },
    'Centrifugo lets the anonymous in where the list is empty',
  ],
  [
    'subscribe: as many as there may be, and one more',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(socket, ...Array.from({ length: 129 }, (_, n) => subscribe(`wish:${n}`)));
    },
  ],
  [
    'subscribe: a token opens a channel of another user',
    async (talk) => {
      const channel = 'open:token#43';
      const socket = await talk.connect();
      await talk.ask(socket, subscribe(channel, { token: await talk.token({ sub: '42', channel }) }));
      await talk.settle(socket);
    },
  ],
  [
    'subscribe: a token for connections',
    async (talk) => {
      const socket = await talk.connect();
      await talk.ask(socket, subscribe('plain:c', { token: await talk.token({ sub: '42' }) }));
    },
  ],
  ['subscribe: a position that cannot be', asks(subscribe('news:negative', { recover: true, offset: -1 }))],
  ['subscribe: an offset that is none', asks(subscribe('news:half', { recover: true, offset: 1.5 }))],
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
  [
    'recover: the newest, asked for from elsewhere',
    async (talk) => {
      const channel = 'cache:r13';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      for (const position of [{ offset: 3, epoch: 'other' }, { offset: 3 }, { offset: 9, epoch }]) {
        await talk.ask(socket, subscribe(channel, { recover: true, ...position }));
        await talk.ask(socket, { unsubscribe: { channel } });
      }
      await talk.api('history_remove', { channel });
      await talk.ask(socket, subscribe(channel, { recover: true, offset: 1, epoch, flag: 2 }));
    },
  ],
  [
    'recover: the newest without asking',
    async (talk) => {
      await three(talk, 'auto:r14');
      const socket = await talk.connect();
      await talk.ask(socket, subscribe('auto:r14'));
      await talk.ask(socket, subscribe('auto:none'));
    },
  ],
  [
    'recover: where there is only a position, or nothing',
    async (talk) => {
      const channel = 'position:r15';
      const epoch = await three(talk, channel);
      const socket = await talk.connect();
      const wish = { positioned: true, recover: true, offset: 1, epoch, flag: 2 };
      await talk.ask(socket, subscribe(channel, wish));
      await talk.ask(socket, subscribe('wish:r15', { recover: true, flag: 2 }));
    },
  ],
  [
    'recover: from a history that was removed',
    async (talk) => {
      const channel = 'news:r16';
      const epoch = await three(talk, channel);
      await talk.api('history_remove', { channel });
      const socket = await talk.connect();
      for (const offset of [3, 2]) {
        await talk.ask(socket, subscribe(channel, { recover: true, offset, epoch }));
        await talk.ask(socket, { unsubscribe: { channel } });
      }
    },
  ],
  [
    'a filter and deltas',
    asks(subscribe('both:a', { tf, delta: 'fossil' })),
    'Centrifugo grants both, and the filter then holds nothing back',
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
];
