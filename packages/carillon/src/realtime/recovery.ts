import { type Broker, EpochMismatchError, type HistoryOptions } from './broker.ts';
import type { Publication, StreamPosition } from './publication.ts';

export interface Recovery {
  readonly recovered: boolean;
  /** What the client has missed, oldest first; empty when not recovered. */
  readonly publications: readonly Publication[];
  /** Where the stream stands now. */
  readonly top: StreamPosition;
}

/** Reads what came after `since`, and tells whether that is all (client-protocol, section 8). */
export async function recover(
  broker: Broker,
  channel: string,
  since: StreamPosition,
  limit: number,
  options: HistoryOptions,
): Promise<Recovery> {
  try {
    const { publications, offset, epoch } = await broker.history(
      channel,
      { since, limit, reverse: false },
      options,
    );
    const first = publications[0];
    const last = publications.at(-1);
    const recovered =
      first && last ? first.offset === since.offset + 1 && last.offset === offset : offset === since.offset;
    return { recovered, publications: recovered ? publications : [], top: { offset, epoch } };
  } catch (error) {
    if (!(error instanceof EpochMismatchError)) throw error;
    const { offset, epoch } = await broker.history(channel, { limit: 0, reverse: false }, options);
    return { recovered: false, publications: [], top: { offset, epoch } };
  }
}

/** Of a stream where only the newest publication counts: that one, unless the client has it already. */
export async function recoverLatest(
  broker: Broker,
  channel: string,
  since: StreamPosition,
  options: HistoryOptions,
): Promise<Recovery> {
  const { publications, offset, epoch } = await broker.history(channel, { limit: 1, reverse: true }, options);
  const [latest] = publications;
  const isThere = since.offset > 0 && since.offset === offset && since.epoch === epoch;
  const recovered = latest ? latest.offset === offset : isThere;
  return { recovered, publications: latest && recovered && !isThere ? [latest] : [], top: { offset, epoch } };
}
