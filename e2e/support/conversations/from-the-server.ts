import { type Conversation, past, soon, subscribe, three } from './words.ts';

/** What the server does to connections, and those that only listen. */
export const FROM_THE_SERVER: readonly Conversation[] = [
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
