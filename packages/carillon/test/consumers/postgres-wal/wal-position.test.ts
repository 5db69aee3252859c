import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WalPosition } from '../../../src/consumers/postgres-wal/wal-position.ts';

test('an unsettled row holds the position before its transaction, whatever is settled behind it', () => {
  const position = new WalPosition(10n);
  position.begin(100n);
  const first = position.add('a');
  position.commit(110n);
  position.begin(200n);
  const second = position.add('b');
  position.commit(210n);
  assert.ok(first && second);
  position.settle('b', second);
  position.idle(300n);
  assert.equal(position.confirmed, 10n);
  position.settle('a', first);
  assert.equal(position.confirmed, 300n, 'what the server has passed over counts as well');
});

test('a transaction whose commit has not come is not confirmed, though all rows so far are settled', () => {
  const position = new WalPosition(0n);
  position.begin(100n);
  const row = position.add('a');
  assert.ok(row);
  position.settle('a', row);
  position.idle(90n);
  assert.equal(position.confirmed, 0n);
  position.commit(110n);
  assert.equal(position.confirmed, 110n);
});

test('an idle log moves the position on, and never back', () => {
  const position = new WalPosition(50n);
  position.idle(70n);
  position.idle(60n);
  assert.equal(position.confirmed, 70n);
});

test('transactions of nobody behind an unsettled one take no memory', () => {
  const position = new WalPosition(0n);
  position.begin(1n);
  const row = position.add('a');
  position.commit(2n);
  for (let at = 3n; at < 10_000n; at += 2n) {
    position.begin(at);
    position.commit(at + 1n);
  }
  assert.equal(position.open, 1);
  assert.ok(row);
  position.settle('a', row);
  assert.equal(position.confirmed, 10_000n);
});

test('a reader that follows, from any older position of the slot, gets exactly what was not settled', () => {
  const transactions = fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 5 }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(
      transactions,
      fc.array(fc.nat(), { maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (log, choices, rewind) => {
        /** Replays the log from `from` on; gives back the rows that were handed over, by partition. */
        const replay = (position: WalPosition, from: bigint) => {
          const handed: { name: string; partition: string; place: ReturnType<WalPosition['add']> }[] = [];
          log.forEach((rows, t) => {
            const lsn = BigInt(100 * (t + 1));
            if (lsn < from) return;
            position.begin(lsn);
            rows.forEach((number, index) => {
              const partition = String(number);
              const place = position.add(partition);
              if (place) handed.push({ name: `${t}.${index}`, partition, place });
            });
            position.commit(lsn + 10n);
          });
          return handed;
        };
        const first = new WalPosition(0n);
        const handed = replay(first, 0n);
        const all = handed.map(({ name }) => name);
        const settled = new Set<string>();
        for (const choice of choices) {
          const heads = [...new Set(handed.map(({ partition }) => partition))];
          if (heads.length === 0) break;
          const partition = heads[choice % heads.length] as string;
          const at = handed.findIndex((row) => row.partition === partition);
          const [row] = handed.splice(at, 1);
          if (!row?.place) continue;
          first.settle(partition, row.place);
          settled.add(row.name);
        }
        const note = JSON.parse(JSON.stringify(first.note()));
        // After a crash of the server its slot may stand at any earlier place.
        const slotAt = BigInt(Math.floor(Number(first.confirmed) * rewind));
        const again = replay(new WalPosition(slotAt, note), slotAt).map(({ name }) => name);
        assert.deepEqual(
          again,
          all.filter((name) => !settled.has(name)),
        );
      },
    ),
  );
});
