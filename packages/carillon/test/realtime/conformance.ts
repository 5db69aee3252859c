/** What every broker and every presence store must do, whatever it is made of. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Broker,
  type BrokerListener,
  EpochMismatchError,
  type HistoryOptions,
  type PublishOptions,
} from '../../src/realtime/broker.ts';
import { RawBytes, RawJson } from '../../src/realtime/payload.ts';
import type { PresenceStore } from '../../src/realtime/presence.ts';
import type { ClientInfo, Publication } from '../../src/realtime/publication.ts';
import { until } from '../support/until.ts';

export const HISTORY: HistoryOptions = { size: 10, ttl: 60_000, metaTtl: 600_000 };
const NO_HISTORY: HistoryOptions = { size: 0, ttl: 0, metaTtl: 0 };
const PLAIN: PublishOptions = { history: HISTORY, idempotencyKey: '', version: 0, versionEpoch: '' };
const ALL = { limit: -1, reverse: false };

export const json = (value: unknown) => ({ data: RawJson.of(value) });

/** Writes down what a broker tells. */
export class Ear implements BrokerListener {
  readonly publications: { channel: string; publication: Publication; epoch: string }[] = [];
  readonly announcements: { kind: string; channel: string; info: ClientInfo }[] = [];
  readonly interruptions: (readonly string[])[] = [];

  onPublication(channel: string, publication: Publication, epoch: string): void {
    this.publications.push({ channel, publication, epoch });
  }

  onAnnouncement(kind: 'join' | 'leave', channel: string, info: ClientInfo): void {
    this.announcements.push({ kind, channel, info });
  }

  onInterruption(channels: readonly string[]): void {
    this.interruptions.push(channels);
  }

  /** What came in a channel, in the order in which it came. */
  of(channel: string): Publication[] {
    return this.publications
      .filter((heard) => heard.channel === channel)
      .map(({ publication }) => publication);
  }
}

/** To be called in a suite; `open` gives a broker without streams. */
export function brokerConformance(open: () => Promise<{ broker: Broker; close(): Promise<void> }>): void {
  let broker: Broker;
  let close: () => Promise<void>;
  let ear: Ear;
  before(async () => {
    ({ broker, close } = await open());
    ear = new Ear();
    broker.listen(ear);
  });
  after(() => close?.());

  const publish = (channel: string, value: unknown, options: Partial<PublishOptions> = {}) =>
    broker.publish(channel, json(value), { ...PLAIN, ...options });
  const stored = async (channel: string, options = HISTORY) =>
    (await broker.history(channel, ALL, options)).publications.map(({ data }) =>
      JSON.parse((data as RawJson).text),
    );

  test('publications get offsets from 1 without a gap, under one epoch, and come in that order', async () => {
    await broker.subscribe('offsets');
    const positions = await Promise.all(Array.from({ length: 20 }, (_, n) => publish('offsets', n)));
    const { epoch, offset, publications } = await broker.history('offsets', ALL, HISTORY);
    assert.match(epoch, /^[A-Za-z]{8}$/);
    assert.equal(offset, 20);
    assert.deepEqual(
      positions,
      Array.from({ length: 20 }, (_, n) => ({ offset: n + 1, epoch })),
    );
    await until(() => ear.of('offsets').length === 20);
    assert.deepEqual(
      ear.of('offsets').map((publication) => publication.offset),
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
    assert.ok(ear.publications.every((heard) => heard.channel !== 'offsets' || heard.epoch === epoch));
    assert.deepEqual(
      publications.map((publication) => publication.offset),
      [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
      'the newest 10 are kept',
    );
  });

  test('a channel without history has no position, and its publications no offset', async () => {
    await broker.subscribe('plain');
    assert.equal(await publish('plain', 1, { history: NO_HISTORY }), undefined);
    await until(() => ear.of('plain').length === 1);
    assert.deepEqual(ear.of('plain'), [{ ...json(1), offset: 0 }]);
    assert.equal(ear.publications.at(-1)?.epoch, '');
  });

  test('data, tags, info and the wish for a delta come as they were given, live and from history', async () => {
    await broker.subscribe('whole');
    const given: Omit<Publication, 'offset'>[] = [
      { data: new RawJson('{"a" : [1, "ü\\n\\u0000:🎈"]}') },
      { data: new RawBytes(Buffer.from([0, 10, 13, 58, 255])) },
      { data: new RawBytes(Buffer.alloc(0)) },
      { data: RawJson.of('x'), tags: { 'a:b\n': 'c', __proto__x: '' } },
      { data: RawJson.of({ n: 2 }), delta: true },
      {
        data: RawJson.of(null),
        info: {
          user: 'u"\n',
          client: 'c',
          conn_info: new RawJson('{"n":1}'),
          chan_info: new RawBytes(Buffer.from([1, 200])),
        },
      },
      { data: RawJson.of(1), info: { user: '', client: '' }, tags: {} },
    ];
    for (const publication of given) await broker.publish('whole', publication, PLAIN);
    const expected = given.map((publication, index) => ({ ...publication, offset: index + 1 }));
    await until(() => ear.of('whole').length === given.length);
    assert.deepEqual(ear.of('whole'), expected);
    assert.deepEqual((await broker.history('whole', ALL, HISTORY)).publications, expected);
  });

  test('channels are apart, whatever characters their names have', async () => {
    const names = ['$private:a', 'a#1,2', 'a{b}c', '{a}', '}a{', 'ü:ñ 🎈', 'a.b*?[c]', 'x\\y"'];
    for (const name of names) {
      await broker.subscribe(name);
      await publish(name, name);
    }
    for (const name of names) {
      await until(() => ear.of(name).length === 1);
      assert.deepEqual(await stored(name), [name]);
    }
  });

  test('history is read from a position, up to a limit, either way', async () => {
    for (let n = 1; n <= 5; n++) await publish('read', n);
    const { epoch } = await broker.history('read', { limit: 0, reverse: false }, HISTORY);
    const read = async (limit: number, reverse: boolean, offset?: number) => {
      const since = offset === undefined ? undefined : { offset, epoch };
      const result = await broker.history('read', { since, limit, reverse }, HISTORY);
      assert.deepEqual([result.offset, result.epoch], [5, epoch]);
      return result.publications.map((publication) => publication.offset);
    };
    assert.deepEqual(await read(0, false), []);
    assert.deepEqual(await read(-1, false), [1, 2, 3, 4, 5]);
    assert.deepEqual(await read(2, false), [1, 2]);
    assert.deepEqual(await read(2, true), [5, 4]);
    assert.deepEqual(await read(-1, false, 3), [4, 5]);
    assert.deepEqual(await read(1, false, 3), [4]);
    assert.deepEqual(await read(-1, true, 3), [2, 1]);
    assert.deepEqual(await read(1, true, 3), [2]);
    assert.deepEqual(await read(-1, false, 5), []);
    assert.deepEqual(await read(-1, false, 9), []);
    assert.deepEqual(await read(-1, true, 9), [5, 4, 3, 2, 1]);
    assert.deepEqual(await read(-1, false, 0), [1, 2, 3, 4, 5]);
    assert.deepEqual(await read(-1, true, 0), []);
  });

  test('a position of another epoch is refused, one without an epoch is not', async () => {
    await publish('epochs', 1);
    const since = { offset: 0, epoch: 'other' };
    await assert.rejects(broker.history('epochs', { ...ALL, since }, HISTORY), EpochMismatchError);
    const { publications } = await broker.history(
      'epochs',
      { ...ALL, since: { offset: 0, epoch: '' } },
      HISTORY,
    );
    assert.equal(publications.length, 1);
  });

  test('reading a channel that nobody has used makes its stream', async () => {
    const first = await broker.history('fresh', ALL, HISTORY);
    assert.deepEqual([first.offset, first.publications], [0, []]);
    assert.equal((await publish('fresh', 1))?.epoch, first.epoch);
  });

  test('removed history leaves offset and epoch', async () => {
    const before = await publish('removed', 1);
    await broker.removeHistory('removed');
    const { publications, ...position } = await broker.history('removed', ALL, HISTORY);
    assert.deepEqual(publications, []);
    assert.deepEqual(position, before);
    assert.deepEqual(await publish('removed', 2), { offset: 2, epoch: before?.epoch });
    assert.deepEqual(await stored('removed'), [2]);
    await broker.removeHistory('never used');
  });

  test('publications expire together after the last one, and the position later', async () => {
    const history = { size: 10, ttl: 100, metaTtl: 1_000 };
    const first = await publish('expiring', 1, { history });
    await until(async () => (await stored('expiring', history)).length === 0);
    assert.deepEqual(await publish('expiring', 2, { history }), { offset: 2, epoch: first?.epoch });
    // Each look renews the position's time, so there is one look only.
    await new Promise((resolve) => setTimeout(resolve, 1_010));
    const { epoch, offset } = await broker.history('expiring', { limit: 0, reverse: false }, history);
    assert.equal(offset, 0);
    assert.notEqual(epoch, first?.epoch);
  });

  test('an idempotency key is carried out once in a channel, also when it comes many times at once', async () => {
    await broker.subscribe('once');
    await broker.subscribe('once too');
    const key = { idempotencyKey: 'k' };
    const positions = await Promise.all([1, 2, 3, 4].map((n) => publish('once', n, key)));
    for (const position of positions) assert.deepEqual(position, positions[0]);
    assert.deepEqual(await stored('once'), [1]);
    assert.equal((await publish('once too', 9, key))?.offset, 1);
    assert.equal((await publish('once', 5))?.offset, 2);
    assert.deepEqual(await publish('once', 6, key), positions[0]);
    await until(() => ear.of('once').length === 2 && ear.of('once too').length === 1);
  });

  test('an idempotency key counts without history, too', async () => {
    await broker.subscribe('once plain');
    const options = { history: NO_HISTORY, idempotencyKey: 'k' };
    assert.equal(await publish('once plain', 1, options), undefined);
    assert.equal(await publish('once plain', 2, options), undefined);
    await publish('once plain', 3, { history: NO_HISTORY });
    await until(() => ear.of('once plain').length === 2);
    assert.deepEqual(
      ear.of('once plain').map(({ data }) => (data as RawJson).text),
      ['1', '3'],
    );
  });

  test('one message goes to many channels, the results are told by place, a channel that is there twice gets it twice', async () => {
    const names = Array.from({ length: 1_500 }, (_, n) => `many ${n}`);
    await broker.subscribe('many 1499');
    await publish('many 7', 0);
    const told = new Map<number, unknown>();
    await broker.publishMany([...names, 'many 7'], json('m'), PLAIN, (index, outcome) =>
      told.set(index, outcome),
    );
    assert.equal(told.size, 1_501);
    const { epoch, offset } = await broker.history('many 7', ALL, HISTORY);
    assert.equal(offset, 3);
    assert.deepEqual(told.get(7), { offset: 2, epoch });
    assert.deepEqual(told.get(1_500), { offset: 3, epoch });
    assert.equal((told.get(1_499) as { offset: number }).offset, 1);
    assert.deepEqual(await stored('many 0'), ['m']);
    await until(() => ear.of('many 1499').length === 1);
    assert.deepEqual(ear.of('many 1499')[0], { ...json('m'), offset: 1 });
  });

  test('an idempotency key counts per channel when many get a message: those that have it are passed over', async () => {
    const names = Array.from({ length: 100 }, (_, n) => `part ${n}`);
    const options = { ...PLAIN, idempotencyKey: 'part' };
    await broker.publishMany(names.slice(0, 40), json('m'), options);
    await broker.publishMany(names.slice(30), json('m'), options);
    const offsets = new Set<unknown>();
    await broker.publishMany(names, json('m'), options, (_index, outcome) =>
      offsets.add((outcome as { offset: number }).offset),
    );
    assert.deepEqual(offsets, new Set([1]));
    assert.equal((await publish('part 35', 'other'))?.offset, 2);
    assert.equal((await publish('part 35', 'm', options))?.offset, 1);
    await broker.publishMany(names, json('p'), {
      ...options,
      history: NO_HISTORY,
      idempotencyKey: 'plain part',
    });
    assert.deepEqual(await stored('part 99'), ['m']);
  });

  test('an outdated version is neither stored nor sent, a new version epoch passes, one without a version resets', async () => {
    const versioned = async (n: number, version: number, versionEpoch = '') =>
      (await publish('versions', n, { version, versionEpoch }))?.offset;
    assert.equal(await versioned(1, 5), 1);
    assert.equal(await versioned(2, 5), 1);
    assert.equal(await versioned(3, 4), 1);
    assert.equal(await versioned(4, 6), 2);
    assert.equal(await versioned(5, 1, 'e'), 3);
    assert.equal(await versioned(6, 1, 'e'), 3);
    assert.equal(await versioned(7, 1), 3);
    assert.equal(await versioned(8, 2, 'f'), 4);
    assert.equal(await versioned(9, 0), 5);
    assert.equal(await versioned(10, 1), 6);
    assert.deepEqual(await stored('versions'), [1, 4, 5, 8, 9, 10]);
  });

  test('joins and leaves come with who it is', async () => {
    await broker.subscribe('people');
    const info: ClientInfo = { user: 'ann', client: 'c1', conn_info: new RawJson('{"n":1}') };
    await broker.announce('join', 'people', info);
    await broker.announce('leave', 'people', info);
    await until(() => ear.announcements.length === 2);
    assert.deepEqual(ear.announcements, [
      { kind: 'join', channel: 'people', info },
      { kind: 'leave', channel: 'people', info },
    ]);
  });
}

/** To be called in a suite; `open` gives an empty store. */
export function presenceConformance(
  open: () => Promise<{ presence: PresenceStore; close(): Promise<void> }>,
): void {
  let presence: PresenceStore;
  let close: () => Promise<void>;
  before(async () => {
    ({ presence, close } = await open());
  });
  after(() => close?.());

  test('clients are in the channels that they came to, with their infos, until they leave', async () => {
    const ann: ClientInfo = {
      user: 'ann\n"',
      client: 'c1',
      conn_info: new RawJson('{"n":1}'),
      chan_info: new RawBytes(Buffer.from([255, 0])),
    };
    const bob: ClientInfo = { user: 'bob', client: 'c2' };
    assert.deepEqual(await presence.of('room'), {});
    await presence.add('room', ann);
    await presence.add('room', bob);
    await presence.add('{other}', bob);
    assert.deepEqual(await presence.of('room'), { c1: ann, c2: bob });
    await presence.remove('room', 'c1');
    await presence.remove('room', 'nobody');
    assert.deepEqual(await presence.of('room'), { c2: bob });
    await presence.remove('room', 'c2');
    assert.deepEqual(await presence.of('room'), {});
    assert.deepEqual(await presence.of('{other}'), { c2: bob });
  });

  test('a client that is added again is there once, as it is now', async () => {
    await presence.add('again', { user: 'ann', client: 'c1' });
    const now: ClientInfo = { user: 'ann', client: 'c1', conn_info: RawJson.of('new') };
    await presence.add('again', now);
    assert.deepEqual(await presence.of('again'), { c1: now });
  });

  test('stats count clients and users, the anonymous ones as one', async () => {
    assert.deepEqual(await presence.stats('counted'), { num_clients: 0, num_users: 0 });
    for (const [client, user] of [
      ['1', 'ann'],
      ['2', 'ann'],
      ['3', 'bob'],
      ['4', ''],
      ['5', ''],
    ] as const)
      await presence.add('counted', { user, client });
    assert.deepEqual(await presence.stats('counted'), { num_clients: 5, num_users: 3 });
  });
}
