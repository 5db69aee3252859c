import type { Publication, StreamPosition } from './publication.ts';

/** How long a channel's history lives; all zero for none. Milliseconds. */
export interface HistoryOptions {
  readonly size: number;
  readonly ttl: number;
  readonly metaTtl: number;
}

export interface PublishOptions {
  readonly history: HistoryOptions;
  readonly idempotencyKey: string;
  /** 0: none. A publication whose version is not above the stored one is dropped. */
  readonly version: number;
  readonly versionEpoch: string;
}

export interface PublishResult {
  /** Undefined without history. */
  readonly position: StreamPosition | undefined;
  /** What to deliver; undefined for a repeat or an outdated version. */
  readonly publication: Publication | undefined;
}

export interface HistoryRequest {
  /** Exclusive; an empty epoch is not compared. */
  readonly since?: StreamPosition | undefined;
  /** Below 0: all. 0: the position only. */
  readonly limit: number;
  readonly reverse: boolean;
}

export interface HistoryResult extends StreamPosition {
  readonly publications: readonly Publication[];
}

/** Thrown when `since.epoch` is not the stream's. */
export class EpochMismatchError extends Error {
  override name = 'EpochMismatchError';
}

/** Keeps streams: offsets, epochs and recent publications of each channel. */
export interface Broker {
  publish(
    channel: string,
    publication: Omit<Publication, 'offset'>,
    options: PublishOptions,
  ): Promise<PublishResult>;
  /** Creates the stream when there is none. @throws EpochMismatchError */
  history(channel: string, request: HistoryRequest, options: HistoryOptions): Promise<HistoryResult>;
  /** Drops publications, keeps offset and epoch. */
  removeHistory(channel: string): Promise<void>;
  close(): Promise<void>;
}
