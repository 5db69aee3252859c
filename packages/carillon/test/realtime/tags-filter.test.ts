import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { readTagsFilter } from '../../src/realtime/tags-filter.ts';
import { connectClient, RawClient, type RealtimeServer, startRealtime } from '../support/realtime.ts';

const tags = { city: 'Brno', price: '10.50', empty: '' };
const leaf = (cmp: string, rest: object = {}, key = 'city') => ({ key, cmp, ...rest });

suite('filters by tags', () => {
  const wanted: [what: string, node: object, passes: boolean][] = [
    ['equal', leaf('eq', { val: 'Brno' }), true],
    ['not equal', leaf('neq', { val: 'Brno' }), false],
    ['in a list', leaf('in', { vals: ['Praha', 'Brno'] }), true],
    ['not in a list', leaf('nin', { vals: ['Praha', 'Brno'] }), false],
    ['there', leaf('ex', {}, 'empty'), true],
    ['not there', leaf('nex', {}, 'empty'), false],
    ['begins with', leaf('sw', { val: 'Br' }), true],
    ['ends with', leaf('ew', { val: 'no' }), true],
    ['contains', leaf('ct', { val: 'rn' }), true],
    ['contains, but not', leaf('ct', { val: 'RN' }), false],
    ['less, as numbers', leaf('lt', { val: '9' }, 'price'), false],
    ['less or the same', leaf('lte', { val: '10.5' }, 'price'), true],
    ['greater, exactly', leaf('gt', { val: '10.4999999999999999999999' }, 'price'), true],
    ['greater or the same', leaf('gte', { val: '0010.500' }, 'price'), true],
    ['greater than a negative one', leaf('gt', { val: '-1e' }, 'price'), false],
    ['a number and what is none', leaf('lt', { val: '100' }, 'city'), false],
    ['a key that is not there', leaf('eq', { val: '' }, 'nope'), false],
    ['not equal to a key that is not there', leaf('neq', { val: 'x' }, 'nope'), true],
    ['not in, with a key that is not there', leaf('nin', { vals: ['x'] }, 'nope'), true],
    ['a name of every object', leaf('ex', {}, 'constructor'), false],
    ['both', { op: 'and', nodes: [leaf('ex'), leaf('nex', {}, 'nope')] }, true],
    ['either', { op: 'or', nodes: [leaf('nex'), leaf('sw', { val: 'B' })] }, true],
    ['not', { op: 'not', nodes: [leaf('eq', { val: 'Brno' })] }, false],
  ];
  for (const [what, node, passes] of wanted) {
    test(`${what}: ${passes ? 'passes' : 'does not pass'}`, () => {
      assert.equal(readTagsFilter(node)?.(tags), passes);
    });
  }

  test('negative decimals are ordered', () => {
    const isLess = (tag: string, val: string) => readTagsFilter(leaf('lt', { val }, 'n'))?.({ n: tag });
    assert.deepEqual(
      [isLess('-2', '-1'), isLess('-1', '-2'), isLess('-1', '0'), isLess('-0', '0'), isLess('-10', '-9.5')],
      [true, false, true, false, true],
    );
  });

  test('what is no filter is refused', () => {
    let deep: object = leaf('ex');
    for (let n = 0; n < 100; n++) deep = { op: 'not', nodes: [deep] };
    for (const node of [
      {},
      [],
      'x',
      leaf('like', { val: 'x' }),
      leaf('toString', { val: 'x' }),
      leaf('eq', { val: 5 }),
      { op: 'xor', nodes: [leaf('ex')] },
      { op: 'and', nodes: [] },
      { op: 'not', nodes: [leaf('ex'), leaf('ex')] },
      { op: 'and', nodes: [leaf('ex'), { op: 'and' }] },
      deep,
    ])
      assert.equal(readTagsFilter(node), undefined, JSON.stringify(node).slice(0, 80));
  });
});

suite('a subscription with a filter', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());

  test('gets what passes, live and recovered, and its position advances over the rest', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('tagged:prices', {
      tagsFilter: { key: 'big', cmp: 'eq', val: 'yes' },
    });
    const seen: number[] = [];
    let complete = () => {};
    const all = new Promise<void>((resolve) => {
      complete = resolve;
    });
    subscription.on('publication', ({ data }) => {
      seen.push(data);
      if (data === 6) complete();
    });
    subscription.subscribe();
    await subscription.ready(5_000);
    const publish = (n: number) =>
      server.publish('tagged:prices', n, { tags: { big: n % 2 === 0 ? 'yes' : 'no' } });
    for (const n of [1, 2, 3]) await publish(n);
    const back = new Promise<{ recovered: boolean }>((resolve) => subscription.once('subscribed', resolve));
    server.cutConnections();
    for (const n of [4, 5]) await publish(n);
    assert.equal((await back).recovered, true);
    await publish(6);
    await all;
    assert.deepEqual(seen, [2, 4, 6]);
    client.disconnect();
  });

  test('is refused with 107 where the namespace allows none, with deltas, or when it is no filter', async () => {
    const tf = { key: 'a', cmp: 'ex' };
    const client = await RawClient.connected(server.url);
    client.send(
      { id: 2, subscribe: { channel: 'news:a', tf } },
      { id: 3, subscribe: { channel: 'tagged:a', tf, delta: 'fossil' } },
      { id: 4, subscribe: { channel: 'tagged:a', tf: { cmp: 'ex' } } },
      { id: 5, subscribe: { channel: 'tagged:a', tf } },
    );
    const codes = [];
    for (let n = 0; n < 4; n++)
      codes.push(((await client.next()) as { error?: { code: number } }).error?.code);
    assert.deepEqual(codes, [107, 107, 107, undefined]);
    client.socket.close();
  });
});
