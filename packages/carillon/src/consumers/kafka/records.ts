import type { RecordsBatch } from '@platformatic/kafka';

/** A record of a partition. */
export interface KafkaItem {
  readonly offset: bigint;
  /** Null for a tombstone. */
  readonly value: Buffer | null;
  readonly headers: readonly [Buffer | null, Buffer | null][];
}

/** Which producers' transactions were given up, and from which offset on. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;
/** Of a control record's key: version, then type; type 0 ends a transaction that was given up. */
const ABORT_TYPE_AT = 2;
const ABORT = 0;

/**
 * The records of a fetch that a reader may see, from `from` on, and where to fetch next. A broker sends whole batches,
 * whose first records may lie before `from`; control records and, with `aborted`, those of aborted transactions are
 * left out. A transaction that was given up counts from its first offset to its marker, which may be in a later fetch.
 */
export function visibleRecords(
  batches: readonly RecordsBatch[],
  from: bigint,
  aborted: readonly AbortedTransaction[],
): { items: KafkaItem[]; next: bigint } {
  const toCome = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const givenUp = new Set<bigint>();
  const items: KafkaItem[] = [];
  let next = from;
  for (const batch of batches) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (toCome[0] && toCome[0].firstOffset <= last) {
      givenUp.add(toCome[0].producerId);
      toCome.shift();
    }
    if (last >= next) next = last + 1n;
    if (batch.attributes & CONTROL) {
      if (batch.records[0]?.key?.readInt16BE(ABORT_TYPE_AT) === ABORT) givenUp.delete(batch.producerId);
      continue;
    }
    if (batch.attributes & TRANSACTIONAL && givenUp.has(batch.producerId)) continue;
    for (const { offsetDelta, value, headers } of batch.records) {
      const offset = batch.firstOffset + BigInt(offsetDelta);
      if (offset >= from) items.push({ offset, value, headers });
    }
  }
  return { items, next };
}
