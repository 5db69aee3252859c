import type { Responder } from '../../packages/carillon/test/support/application.ts';

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** What is asked of both servers over gRPC. */
export const GRPC_CALLS: [method: string, request: object][] = [
  ['publish', { channel: 'news:g', data: json({ a: 1 }), tags: { t: '1' }, idempotency_key: 'k' }],
  ['publish', { channel: 'news:g', data: Buffer.from([0xff, 0]) }],
  ['publish', { channel: 'news:g', b64data: Buffer.from('"b"').toString('base64'), skip_history: true }],
  ['publish', { channel: 'plain:g', data: json(1) }],
  ['publish', { channel: 'plain:g' }],
  ['publish', { channel: 'plain:g', b64data: '%' }],
  ['publish', { channel: 'nope:g', data: json(1) }],
  ['publish', {}],
  ['broadcast', { channels: ['plain:g', 'nope:g', ''], data: json(1) }],
  ['broadcast', { channels: [], data: json(1) }],
  ['history', { channel: 'news:g', limit: -1 }],
  ['history', { channel: 'news:g', limit: 1, reverse: true }],
  ['history', { channel: 'news:g', since: { offset: 1, epoch: 'wrong' }, limit: 1 }],
  ['history', { channel: 'plain:g' }],
  ['history_remove', { channel: 'news:g' }],
  ['history_remove', { channel: 'plain:g' }],
  ['presence', { channel: 'news:g' }],
  ['presence', { channel: 'plain:g' }],
  ['presence_stats', { channel: 'news:g' }],
  ['channels', {}],
  ['rpc', { method: 'x', params: json(1) }],
  ['rpc', {}],
  ['subscribe', { user: 'nobody', channel: 'news:g' }],
  ['subscribe', { user: 'nobody', channel: 'nope:g' }],
  ['unsubscribe', { user: 'nobody', channel: 'news:g' }],
  ['disconnect', { user: 'nobody' }],
  ['refresh', { user: 'nobody', expired: true }],
  [
    'batch',
    {
      commands: [
        { publish: { channel: 'plain:g', data: json(1) } },
        { publish: { channel: 'nope:g', data: json(1) } },
        { presence_stats: { channel: 'news:g' } },
        {},
      ],
    },
  ],
];

const CONNECTED = { connect: { result: { user: '56', meta: { m: 1 } } } };
/** What the backend answers, by path, and what a client without a token does then. */
export const BACKEND_TALKS: [what: string, answers: Record<string, object>, commands: object[]][] = [
  [
    'connect with all it can give',
    {
      connect: {
        result: {
          user: '56',
          info: { name: 'Ann' },
          data: { hi: 1 },
          channels: ['news:a'],
          subs: { 'plain:b': { data: [1] } },
        },
      },
    },
    [
      {
        connect: {
          name: 'js',
          version: '1',
          data: { ask: 1 },
          headers: { Authorization: 'claimed', 'X-Both': 'claimed', 'X-Other': 'claimed' },
        },
      },
      { presence: { channel: 'plain:b' } },
    ],
  ],
  [
    'connect with an error',
    { connect: { error: { code: 1000, message: 'no', temporary: true } } },
    [{ connect: {} }],
  ],
  ['connect with a disconnect', { connect: { disconnect: { code: 4501, reason: 'x' } } }, [{ connect: {} }]],
  ['connect with nobody', { connect: {} }, [{ connect: {} }]],
  [
    'connect with a channel of no namespace',
    { connect: { result: { channels: ['nope:a'] } } },
    [{ connect: {} }],
  ],
  ['connect with a status that means an error', { connect: status(403) }, [{ connect: {} }]],
  ['connect with a status that means a disconnect', { connect: status(404) }, [{ connect: {} }]],
  ['connect with another status', { connect: status(500) }, [{ connect: {} }]],
  [
    'subscribe',
    {
      ...CONNECTED,
      subscribe: { result: { info: { i: 1 }, data: { d: 1 } } },
      coded: { result: { b64data: Buffer.from('{"b":1}').toString('base64') } },
    },
    [
      { connect: {} },
      { subscribe: { channel: 'asked:a', data: { why: 1 } } },
      { subscribe: { channel: 'asked:b#56' } },
      { subscribe: { channel: 'asked:b#57' } },
      { subscribe: { channel: 'limited:b#56' } },
      { subscribe: { channel: 'limited:b#57' } },
      { subscribe: { channel: 'coded:a', data: { a: 1 } } },
    ],
  ],
  [
    'subscribe refused',
    { ...CONNECTED, subscribe: { error: { code: 403, message: 'no' } } },
    [{ connect: {} }, { subscribe: { channel: 'asked:a' } }],
  ],
  [
    'subscribe with a status',
    { ...CONNECTED, subscribe: status(500) },
    [{ connect: {} }, { subscribe: { channel: 'asked:a' } }],
  ],
  [
    'publish',
    { ...CONNECTED, publish: { result: { data: { changed: true } } } },
    [{ connect: {} }, { publish: { channel: 'said:a', data: { x: 1 } } }],
  ],
  [
    'publish refused',
    { ...CONNECTED, publish: { error: { code: 1002, message: 'bad' } } },
    [{ connect: {} }, { publish: { channel: 'said:a', data: 1 } }],
  ],
  [
    'calls',
    { ...CONNECTED, rpc: { result: { data: { sum: 3 } } } },
    [
      { connect: {} },
      { rpc: { method: 'sum', data: [1, 2] } },
      { rpc: { method: 'on:x', data: 1 } },
      { rpc: { method: 'off:x', data: 1 } },
      { rpc: { method: 'nope:x', data: 1 } },
      { rpc: { method: 'ping', data: {} } },
    ],
  ],
  [
    'a call that ends the connection',
    { ...CONNECTED, rpc: { disconnect: { code: 4502, reason: 'bye' } } },
    [{ connect: {} }, { rpc: { method: 'x', data: 1 } }],
  ],
];

function status(code: number): Responder {
  return (response) => {
    response.writeHead(code).end();
  };
}
