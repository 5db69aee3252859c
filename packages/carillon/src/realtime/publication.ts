import type { Payload } from './payload.ts';

/** Who a connection is, as others see it. */
export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  readonly conn_info?: Payload | undefined;
  readonly chan_info?: Payload | undefined;
}

/** One message of a channel. `offset` is 0 when the channel keeps no history. */
export interface Publication {
  readonly data: Payload;
  readonly offset: number;
  readonly info?: ClientInfo | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Whether its publisher wants it sent as a delta, where subscribers have negotiated that. */
  readonly delta?: boolean | undefined;
}

/** Where a channel's stream stands. */
export interface StreamPosition {
  readonly offset: number;
  readonly epoch: string;
}

/** The wire form; zero values are left out, `epoch` stands in the first publication only. */
export function publicationBody(publication: Publication, epoch?: string): object {
  const { data, offset, info, tags } = publication;
  return { data, offset: offset || undefined, info, tags, epoch: offset === 1 ? epoch : undefined };
}
