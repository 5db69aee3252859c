import { randomInt } from 'node:crypto';
import type { ClientInfo, Publication, StreamPosition } from './publication.ts';

/** How long a publication's idempotency key is remembered. */
export const IDEMPOTENCY_MS = 300_000;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Eight random letters that name a new stream. */
export function newEpoch(): string {
  return Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

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

/** What is published: a publication before it has its place. */
export type Message = Omit<Publication, 'offset'>;

/**
 * Told what became of a message in one of many channels, by its index in the list of them: where the stream stands, undefined
 * without history, or why it is not known to be stored.
 */
export type OnPublished = (index: number, outcome: StreamPosition | undefined | Error) => void;

/** Whom a broker tells what came for this node's channels, on whichever node it was published. */
export interface BrokerListener {
  /** Comes in the order of offsets. `epoch` is empty without history. */
  onPublication(channel: string, publication: Publication, epoch: string): void;
  onAnnouncement(kind: 'join' | 'leave', channel: string, info: ClientInfo): void;
  /** What was published in these channels until now may not have come. */
  onInterruption(channels: readonly string[]): void;
}

/** Keeps streams (offsets, epochs and recent publications of each channel) and brings publications to all nodes. */
export interface Broker {
  /** Says whom to tell; once, before anything else. */
  listen(listener: BrokerListener): void;
  /** When it resolves, what is published from then on comes to this node. @throws UnavailableError */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): void;
  /**
   * Stores a publication and brings it to the nodes that have subscribed; a repeat or an outdated version does neither.
   * @returns where the stream stands, of a repeat where it stood; undefined without history
   * @throws UnavailableError when it is not known to be stored
   */
  publish(channel: string, message: Message, options: PublishOptions): Promise<StreamPosition | undefined>;
  /**
   * Does what `publish` does, with one message in many channels, in the order of the list; a failure in one leaves the others
   * alone. Made for a hundred thousand channels: there is no promise and, unless somebody asks, no result for each of them, and
   * what else the process has to do goes on meanwhile.
   *
   * @param onPublished is told once of each channel, in any order, before this resolves; left out when nobody reads it
   * @throws UnavailableError without `onPublished`, when the message is not known to be stored in all of the channels; the rest
   *   of the list may not have been tried then
   */
  publishMany(
    channels: readonly string[],
    message: Message,
    options: PublishOptions,
    onPublished?: OnPublished,
  ): Promise<void>;
  /** Tells subscribed nodes who came or went; at most once. */
  announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): Promise<void>;
  /** Creates the stream when there is none. @throws EpochMismatchError, UnavailableError */
  history(channel: string, request: HistoryRequest, options: HistoryOptions): Promise<HistoryResult>;
  /** Drops publications, keeps offset and epoch. */
  removeHistory(channel: string): Promise<void>;
  /** @throws when it cannot be used at the moment */
  ping(): Promise<void>;
  close(): Promise<void>;
}
