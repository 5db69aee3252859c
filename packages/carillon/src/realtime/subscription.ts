import type { Channel } from './channels.ts';
import type { PublicationPush } from './delta/publication-push.ts';
import type { Payload } from './payload.ts';
import type { ClientInfo, Publication, StreamPosition } from './publication.ts';
import type { Session } from './session.ts';
import type { TagsFilter } from './tags-filter.ts';

/** What waits while a subscription starts; the stream has what is more. */
const MOST_HELD = 4_096;

export interface SubscriptionOptions {
  readonly session: Session;
  readonly channel: Channel;
  readonly serverSide: boolean;
  /** Whether the connection token asks for it: a refreshed token must do so, too. */
  readonly fromToken: boolean;
  readonly info: Payload | undefined;
  /** Unix seconds; 0 for never. */
  readonly expireAt: number;
  readonly recoverable: boolean;
  readonly positioned: boolean;
  readonly joinLeave: boolean;
  /** Publications may go out as deltas. */
  readonly delta: boolean;
  /** Which publications are wanted; undefined for all. */
  readonly filter: TagsFilter | undefined;
}

/**
 * One session's place in one channel.
 *
 * *Starting*: it is in the hub, but its reply is not out yet; publications are held back, so that none overtakes the reply
 * and none is lost between reading history and going live. *Live*: publications go out as they come; a positioned
 * subscription expects each offset in turn, drops what it has had, and reports a hole. *Ended* is final.
 */
export class Subscription {
  readonly session: Session;
  readonly channel: Channel;
  readonly serverSide: boolean;
  readonly fromToken: boolean;
  info: Payload | undefined;
  readonly recoverable: boolean;
  readonly positioned: boolean;
  readonly joinLeave: boolean;
  readonly delta: boolean;
  readonly filter: TagsFilter | undefined;
  expireAt: number;
  position: StreamPosition = { offset: 0, epoch: '' };
  /** When it was last known to have all that was published; milliseconds. */
  confirmedAt = 0;
  /** Publications may not have come while it was starting. */
  mayHaveMissed = false;
  #held: { publication: Publication; epoch: string; push: PublicationPush }[] | undefined = [];
  /** What the client has, for a delta against it. */
  #base: Publication | undefined;

  constructor(options: SubscriptionOptions) {
    this.session = options.session;
    this.channel = options.channel;
    this.serverSide = options.serverSide;
    this.fromToken = options.fromToken;
    this.info = options.info;
    this.expireAt = options.expireAt;
    this.recoverable = options.recoverable;
    this.positioned = options.positioned;
    this.joinLeave = options.joinLeave;
    this.delta = options.delta;
    this.filter = options.filter;
  }

  get isLive(): boolean {
    return this.#held === undefined;
  }

  clientInfo(): ClientInfo {
    const { user, id, info } = this.session;
    return { user, client: id, conn_info: info, chan_info: this.info };
  }

  /**
   * Hands over a publication. `push` carries it to all receivers.
   * @returns false when it cannot follow what was sent before: something is missing between
   */
  deliver(publication: Publication, epoch: string, push: PublicationPush): boolean {
    if (this.#held) {
      if (this.positioned && this.#held.length >= MOST_HELD) this.mayHaveMissed = true;
      else this.#held.push({ publication, epoch, push });
      return true;
    }
    if (this.positioned && publication.offset > 0) {
      if (this.position.epoch !== '' && epoch !== this.position.epoch) return false;
      if (publication.offset <= this.position.offset) return true;
      if (publication.offset > this.position.offset + 1) return false;
      this.position = { offset: publication.offset, epoch };
    }
    this.confirmedAt = Date.now();
    if (this.filter && !this.filter(publication.tags ?? {})) return true;
    if (!this.delta) {
      this.session.sendShared(push.plain());
      return true;
    }
    const asDelta = publication.delta || this.channel.options.delta_publish;
    this.session.sendShared(push.delta(asDelta ? this.#base : undefined));
    this.#base = publication;
    return true;
  }

  /**
   * Notes what the reply tells the client: where it stands, and the last publication that it has by then.
   */
  startFrom(position: StreamPosition, last: Publication | undefined): void {
    this.position = position;
    this.#base = last;
  }

  /**
   * Goes live; what was held and is newer follows at once.
   * @returns false when there is a hole
   */
  goLive(): boolean {
    this.confirmedAt = Date.now();
    const held = this.#held ?? [];
    this.#held = undefined;
    return held.every(({ publication, epoch, push }) => this.deliver(publication, epoch, push));
  }
}
