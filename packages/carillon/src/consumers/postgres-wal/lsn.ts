/** A place in PostgreSQL's log: a count of bytes since its beginning. */
export type Lsn = bigint;

/** As PostgreSQL writes it, `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

/** @throws when `text` is not of the form `16/B374D848` */
export function parseLsn(text: string): Lsn {
  const [, high, low] = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text) ?? [];
  if (!high || !low) throw new Error(`${JSON.stringify(text)} is no place in the log of PostgreSQL`);
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function laterOf(one: Lsn, other: Lsn): Lsn {
  return one < other ? other : one;
}
