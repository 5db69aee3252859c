import { SharedMessage } from '../codec/codec.ts';
import { bytesOf, DeltaData, isEmpty, RawJson } from '../payload.ts';
import { type Publication, publicationBody } from '../publication.ts';
import { fossilDelta } from './fossil.ts';

/** Payloads larger than this are always sent whole: looking for a delta would hold up everybody else. Bytes. */
const MAX_DELTA_SOURCE = 1_048_576;

/**
 * A publication on its way to the subscribers of a channel, in each form that any of them takes: plain, or, for those that
 * negotiated deltas, whole or as a delta. Each is made once, however many take it.
 */
export class PublicationPush {
  readonly #channel: string;
  readonly #publication: Publication;
  readonly #epoch: string;
  #plain: SharedMessage | undefined;
  #whole: SharedMessage | undefined;
  /** All subscribers have the same publication before this one, so there is one delta. */
  #delta: { readonly baseOffset: number; readonly message: SharedMessage } | undefined;

  constructor(channel: string, publication: Publication, epoch: string) {
    this.#channel = channel;
    this.#publication = publication;
    this.#epoch = epoch;
  }

  plain(): SharedMessage {
    this.#plain ??= this.#message(publicationBody(this.#publication, this.#epoch));
    return this.#plain;
  }

  /** For a subscriber that negotiated deltas and has `base`, the publication before; undefined to send the whole. */
  delta(base: Publication | undefined): SharedMessage {
    if (!base) {
      this.#whole ??= this.#message(deltaBody(undefined, this.#publication));
      return this.#whole;
    }
    if (this.#delta?.baseOffset !== base.offset) {
      const message = this.#message(deltaBody(base, this.#publication));
      this.#delta = { baseOffset: base.offset, message };
    }
    return this.#delta.message;
  }

  #message(pub: object): SharedMessage {
    return new SharedMessage({ push: { channel: this.#channel, pub } });
  }
}

/** The recovered publications of a subscription with deltas: the first whole, each other against the one before. */
export function deltaBodies(publications: readonly Publication[]): object[] {
  return publications.map((publication, index) => deltaBody(publications[index - 1], publication));
}

function deltaBody(base: Publication | undefined, publication: Publication): object {
  return { ...publicationBody(publication), ...deltaFields(base, publication) };
}

/** `data`, and `delta` when it is one: only when that is shorter than the whole. */
function deltaFields(
  base: Publication | undefined,
  { data }: Publication,
): { data: DeltaData; delta: true | undefined } {
  const target = bytesOf(data);
  const isText = data instanceof RawJson || isEmpty(data);
  if (base && target.length <= MAX_DELTA_SOURCE) {
    const source = bytesOf(base.data);
    if (source.length <= MAX_DELTA_SOURCE) {
      const delta = fossilDelta(source, target, isText);
      if (delta.length < target.length) return { data: new DeltaData(delta, isText), delta: true };
    }
  }
  return { data: new DeltaData(target, isText), delta: undefined };
}
