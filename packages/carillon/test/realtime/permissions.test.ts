import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { RawClient, type RealtimeServer, startRealtime, token } from '../support/realtime.ts';

const now = () => Math.floor(Date.now() / 1000);

const NAMESPACES = [
  { name: 'anonymous', allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
  { name: 'halfway', allow_subscribe_for_anonymous: true },
  { name: 'limited', allow_user_limited_channels: true, allow_subscribe_for_client: true },
  { name: 'shaped', allow_subscribe_for_client: true, channel_regex: '^[0-9]+$' },
  { name: 'say', allow_publish_for_client: true, allow_subscribe_for_client: true },
  { name: 'sayall', allow_publish_for_client: true, allow_publish_for_anonymous: true },
  {
    name: 'look',
    presence: true,
    allow_presence_for_client: true,
    allow_history_for_client: true,
    history_size: 1,
    history_ttl: '60s',
  },
  { name: 'shut', presence: true, history_size: 1, history_ttl: '60s', join_leave: true },
];

suite('permissions', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime({ namespaces: NAMESPACES });
  });
  after(() => server.close());

  /** What one command of a connection comes to: `ok`, an error code, or the code that closed it. */
  async function outcome(
    command: Record<string, unknown>,
    claims: Record<string, unknown> = { sub: '42' },
    first: object[] = [],
  ): Promise<'ok' | number> {
    const client = await RawClient.connected(server.url, claims);
    client.send(...first.map((item, index) => ({ id: index + 2, ...item })), { id: 99, ...command });
    const closed = client.closed().then(({ code }) => code);
    for (;;) {
      const reply = await Promise.race([client.next(), closed]);
      if (typeof reply === 'number') return reply;
      if (reply.id !== 99) continue;
      client.socket.close();
      return (reply.error as { code: number } | undefined)?.code ?? 'ok';
    }
  }

  const subscribing: [what: string, channel: string, user: string, result: 'ok' | number][] = [
    ['a user, where clients may', 'anonymous:a', '42', 'ok'],
    ['nobody, where anonymous clients may, too', 'anonymous:a', '', 'ok'],
    ['nobody, where only users may', 'say:a', '', 103],
    ['a user, where the namespace allows it to nobody', 'plain:a', '42', 103],
    ['nobody, where clients may not at all', 'halfway:a', '', 103],
    ['a user whom the name lists', 'limited:room#7,42', '42', 'ok'],
    ['a user whom the name does not list', 'limited:room#7,8', '42', 103],
    ['nobody, where the name lists nobody', 'limited:room#', '', 103],
    ['a user, where the last list leaves them out', 'limited:a#42#7', '42', 103],
    ['a user, where # means nothing', 'say:room#7', '42', 'ok'],
    ['a private channel of an open namespace', '$anonymous:a', '42', 103],
    ['a name that its pattern allows', 'shaped:123', '42', 'ok'],
    ['a name that its pattern does not allow', 'shaped:12a', '42', 107],
  ];
  for (const [what, channel, user, result] of subscribing) {
    test(`subscribing, ${what}: ${result}`, async () => {
      assert.equal(await outcome({ subscribe: { channel } }, { sub: user }), result);
    });
  }

  const others: [what: string, command: Record<string, unknown>, user: string, result: 'ok' | number][] = [
    ['a user publishes, where clients may', { publish: { channel: 'say:a', data: 1 } }, '42', 'ok'],
    ['nobody publishes there', { publish: { channel: 'say:a', data: 1 } }, '', 103],
    ['nobody publishes, where all may', { publish: { channel: 'sayall:a', data: 1 } }, '', 'ok'],
    ['a subscriber’s right without a subscription', { publish: { channel: 'open:a', data: 1 } }, '42', 103],
    ['publishing without data', { publish: { channel: 'say:a' } }, '42', 107],
    ['presence, where clients may', { presence: { channel: 'look:a' } }, '42', 'ok'],
    ['presence of an impossible name', { presence: { channel: 'shaped:x' } }, '42', 107],
    ['presence, where nobody may', { presence: { channel: 'shut:a' } }, '42', 103],
    ['counts, where nobody may', { presence_stats: { channel: 'shut:a' } }, '42', 103],
    ['presence, where there is none', { presence: { channel: 'say:a' } }, '42', 108],
    ['history, where clients may', { history: { channel: 'look:a' } }, '42', 'ok'],
    ['history, where only users may', { history: { channel: 'look:a' } }, '', 103],
    ['history, where nobody may', { history: { channel: 'shut:a' } }, '42', 103],
    ['history, where there is none', { history: { channel: 'say:a' } }, '42', 108],
  ];
  for (const [what, command, user, result] of others) {
    test(`${what}: ${result}`, async () => {
      assert.equal(await outcome(command, { sub: user }), result);
    });
  }

  const subscriptionTokens: [what: string, claims: Record<string, unknown>, result: 'ok' | number][] = [
    ['a good one', { sub: '42', channel: '$shut:a' }, 'ok'],
    ['one with an end to come', { sub: '42', channel: '$shut:a', exp: now() + 60 }, 'ok'],
    ['an expired one', { sub: '42', channel: '$shut:a', exp: now() - 1 }, 109],
    ['one that is not good yet', { sub: '42', channel: '$shut:a', nbf: now() + 60 }, 109],
    ['one for a subscription that has ended', { sub: '42', channel: '$shut:a', expire_at: now() - 1 }, 110],
    ['one for connections', { sub: '42' }, 103],
    ['one with wrong claims', { sub: '42', channel: '$shut:a', b64info: '%' }, 103],
    ['one for another channel', { sub: '42', channel: '$shut:b' }, 3500],
    ['one for another user', { sub: '43', channel: '$shut:a' }, 3500],
    ['one for another connection', { sub: '42', channel: '$shut:a', client: 'x' }, 3500],
  ];
  for (const [what, claims, result] of subscriptionTokens) {
    test(`subscribing with a token, ${what}: ${result}`, async () => {
      const jwt = await token(claims);
      assert.equal(await outcome({ subscribe: { channel: '$shut:a', token: jwt } }), result);
    });
  }

  const refreshes: [what: string, claims: Record<string, unknown> | undefined, result: 'ok' | number][] = [
    ['a good token', { sub: '42', channel: 'shut:a', exp: now() + 90 }, 'ok'],
    ['no token', undefined, 107],
    ['an expired one', { sub: '42', channel: 'shut:a', exp: now() - 1 }, 109],
    ['one of another user', { sub: '43', channel: 'shut:a' }, 3500],
    ['one for another channel', { sub: '42', channel: 'shut:b' }, 3500],
    ['one for another connection', { sub: '42', channel: 'shut:a', client: 'x' }, 3500],
  ];
  for (const [what, claims, result] of refreshes) {
    test(`refreshing a subscription with ${what}: ${result}`, async () => {
      const first = {
        subscribe: {
          channel: 'shut:a',
          token: await token({ sub: '42', channel: 'shut:a', exp: now() + 60 }),
        },
      };
      const command = { sub_refresh: { channel: 'shut:a', token: claims && (await token(claims)) } };
      assert.equal(await outcome(command, { sub: '42' }, [first]), result);
    });
  }

  test('a subscription that the server made is not for the client to refresh: 3501', async () => {
    const command = {
      sub_refresh: { channel: 'shut:a', token: await token({ sub: '42', channel: 'shut:a' }) },
    };
    assert.equal(await outcome(command, { sub: '42', channels: ['shut:a'] }), 3501);
    assert.equal(await outcome({ sub_refresh: { token: 'x' } }), 3501, 'no channel');
  });

  test('a client may leave what the server subscribed it to, and a refreshed token need not name it then', async () => {
    const claims = { sub: '42', channels: ['news:left', 'news:kept'] };
    const unsubscribe = { unsubscribe: { channel: 'news:left' } };
    const refresh = async (channels: string[]) => ({
      refresh: { token: await token({ sub: '42', channels }) },
    });
    assert.equal(await outcome(await refresh(['news:kept']), claims, [unsubscribe]), 'ok');
    assert.equal(await outcome(await refresh(claims.channels), claims, [unsubscribe]), 3010);
    const subscribe = { subscribe: { channel: 'news:left' } };
    assert.equal(await outcome(subscribe, claims), 105);
    assert.equal(await outcome(subscribe, claims, [unsubscribe]), 'ok');
  });

  const nonsense: [what: string, command: Record<string, unknown>][] = [
    ['a position before the first', { subscribe: { channel: 'news:a', recover: true, offset: -1 } }],
    ['history since such a position', { history: { channel: 'look:a', since: { offset: -1 } } }],
    ['history since something else', { history: { channel: 'look:a', since: [1] } }],
    ['a text for a flag', { subscribe: { channel: 'news:a', recover: 'yes' } }],
    ['a fraction of an offset', { subscribe: { channel: 'news:a', recover: true, offset: 0.5 } }],
    ['a number for a name', { presence: { channel: 1 } }],
  ];
  for (const [what, command] of nonsense) {
    test(`${what} closes with 3501`, async () => {
      assert.equal(await outcome(command), 3501);
    });
  }

  test('positions at connect that are none close with 3501', async () => {
    for (const subs of [['news:a'], { 'news:a': 1 }, { 'news:a': { recover: true, offset: -1 } }]) {
      const client = await RawClient.open(server.url);
      client.send({ id: 1, connect: { token: await token({ sub: '42', channels: ['news:a'] }), subs } });
      assert.equal((await client.closed()).code, 3501, JSON.stringify(subs));
    }
  });

  test('refreshing a subscription that is not there: 103', async () => {
    const jwt = await token({ sub: '42', channel: 'shut:a' });
    assert.equal(await outcome({ sub_refresh: { channel: 'shut:a', token: jwt } }), 103);
  });

  const connections: [what: string, claims: Record<string, unknown>, result: 'ok' | number][] = [
    ['a good token', { sub: '42', exp: now() + 90 }, 'ok'],
    ['an expired one', { sub: '42', exp: now() - 1 }, 3005],
    ['one whose connection has ended', { sub: '42', expire_at: now() - 1 }, 110],
    ['a subscription token', { sub: '42', channel: 'shut:a' }, 3500],
    ['one of another user', { sub: '43' }, 3500],
    ['one with other channels', { sub: '42', channels: ['news:other'] }, 3010],
  ];
  for (const [what, claims, result] of connections) {
    test(`refreshing a connection with ${what}: ${result}`, async () => {
      assert.equal(await outcome({ refresh: { token: await token(claims) } }), result);
    });
  }

  const connects: [what: string, claims: Record<string, unknown>, error: number][] = [
    ['of a connection that has ended', { sub: '42', expire_at: now() - 1 }, 110],
    ['with a channel of no namespace', { sub: '42', channels: ['nope:a'] }, 102],
  ];
  for (const [what, claims, error] of connects) {
    test(`connecting with a token ${what}: ${error}`, async () => {
      const client = await RawClient.open(server.url);
      client.send({ id: 1, connect: { token: await token(claims) } });
      assert.equal(((await client.next()).error as { code: number }).code, error);
      client.socket.close();
    });
  }

  test('a token’s override makes one subscription differ from its namespace', async () => {
    const override = { presence: { value: false }, force_recovery: { value: true } };
    const claims = { sub: '42', channel: 'shut:over', override };
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, subscribe: { channel: 'shut:over', token: await token(claims) } });
    assert.equal(((await client.next()).subscribe as { recoverable?: boolean }).recoverable, true);
    assert.deepEqual(await server.realtime.presence.of('shut:over'), {});
    const plain = { sub: '42', channel: 'shut:other' };
    client.send({ id: 3, subscribe: { channel: 'shut:other', token: await token(plain) } });
    assert.equal(((await client.next()).subscribe as { recoverable?: boolean }).recoverable, undefined);
    assert.deepEqual(Object.keys(await server.realtime.presence.of('shut:other')).length, 1);
    client.socket.close();
  });

  test('what a client asks for at connect is subscribed as far as it may, and closes when it cannot be', async () => {
    const connect = async (subs: object) => {
      const client = await RawClient.open(server.url);
      client.send({ id: 1, connect: { token: await token({ sub: '42', channels: ['news:mine'] }), subs } });
      return client;
    };
    const client = await connect({
      'say:a': {},
      'plain:a': {},
      '$say:a': {},
      'shaped:x': {},
      'news:mine': {},
    });
    const { connect: result } = (await client.next()) as { connect: { subs: object } };
    assert.deepEqual(Object.keys(result.subs).sort(), ['news:mine', 'say:a']);
    client.send({ id: 2, refresh: { token: await token({ sub: '42', channels: ['news:mine'] }) } });
    assert.ok((await client.next()).refresh, 'the token need not name what the client asked for');
    client.socket.close();
    assert.equal((await (await connect({ 'nope:a': {} })).closed()).code, 3501);
  });
});

test('a user’s own channel is subscribed at connect, and with single_connection only the newest keeps it', async () => {
  const server = await startRealtime({
    namespaces: [{ name: 'own' }],
    client: {
      subscribe_to_user_personal_channel: {
        enabled: true,
        personal_channel_namespace: 'own',
        single_connection: true,
      },
    },
  });
  const open = async (sub: string) => {
    const client = await RawClient.open(server.url);
    client.send({ id: 1, connect: { token: await token({ sub }) } });
    const { connect } = (await client.next()) as { connect: { subs?: object } };
    return { client, subs: Object.keys(connect.subs ?? {}) };
  };
  const first = await open('42');
  assert.deepEqual(first.subs, ['own:#42']);
  const other = await open('43');
  assert.deepEqual((await open('')).subs, []);
  const second = await open('42');
  assert.equal((await first.client.closed()).code, 3504);
  await server.publish('own:#42', 'hi');
  assert.deepEqual((await second.client.next()).push, { channel: 'own:#42', pub: { data: 'hi' } });
  other.client.send({ id: 2, refresh: { token: await token({ sub: '43' }) } });
  assert.ok((await other.client.next()).refresh, 'and the others stay');
  await server.close();
});
