import { EventEmitter, on } from 'node:events';
import type { ServiceName } from './service.ts';
import type { PushHeaders } from './webpush/headers.ts';
import type { VapidClaims } from './webpush/vapid.ts';

/**
 * What became of a push.
 *
 * `received` → `refused`, or by a fault `unanswered` (reset, silence or GOAWAY); or accepted. To a phone's service, that is all:
 * `accepted`. To a browser: `waiting` (it is away) ⇄ `sent` (on its way over the socket) → `acknowledged`;
 * or, before the acknowledgement: `replaced` (same Topic), `expired` (TTL), `deleted` (by its sender), `gone` (unsubscribed).
 */
export type PushState =
  | 'received'
  | 'refused'
  | 'unanswered'
  | 'accepted'
  | 'waiting'
  | 'sent'
  | 'acknowledged'
  | 'replaced'
  | 'expired'
  | 'deleted'
  | 'gone';

/** One push that a sender posted, and all that followed. Times are milliseconds since the epoch. */
export interface PushRecord {
  /** Names the message in `Location` and to the browser. */
  readonly id: string;
  readonly service: ServiceName;
  /** Whom it is for: the endpoint of web push, else a token, topic or condition; empty when it named none. */
  target: string;
  /** Web push alone: the subscription's URL. */
  endpoint?: string;
  /** Web push by FCM: the id of the record that it came from. */
  readonly cause?: string;
  readonly receivedAt: number;
  state: PushState;
  /** HTTP status of the answer; absent while or when there was none. */
  status?: number;
  /** Why it was refused, in the words of the answer. */
  reason?: string;
  headers?: PushHeaders;
  vapid?: VapidClaims;
  /** The body as it came; of web push, encrypted. */
  body: Buffer;
  /** What it says, as JSON where it is JSON: FCM, APNs, HMS, and web push whose keys the emulator has. */
  payload?: unknown;
  /** One for each time it was handed to the browser's socket. */
  readonly sentAt: number[];
  acknowledgedAt?: number;
  /** 100 delivered, 101 decryption failed, 102 not delivered. */
  acknowledgeCode?: number;
  /** The service worker failed: 301 exception, 302 rejected `waitUntil`, 303 internal. */
  nackCode?: number;
}

const MAX_RECORDS = 10_000;

/** Keeps the last 10 000 pushes and tells when one changes. */
export class Journal {
  readonly #records = new Map<string, PushRecord>();
  readonly #changes = new EventEmitter<{ change: [PushRecord]; clear: [] }>().setMaxListeners(0);

  add(record: PushRecord): void {
    this.#records.set(record.id, record);
    if (this.#records.size > MAX_RECORDS) {
      const [oldest] = this.#records.keys();
      if (oldest !== undefined) this.#records.delete(oldest);
    }
    this.changed(record);
  }

  changed(record: PushRecord): void {
    this.#changes.emit('change', record);
  }

  get(id: string): PushRecord | undefined {
    return this.#records.get(id);
  }

  all(): PushRecord[] {
    return [...this.#records.values()];
  }

  clear(): void {
    this.#records.clear();
    this.#changes.emit('clear');
  }

  /** Returns how to stop it. */
  onChange(listener: (record: PushRecord) => void): () => void {
    this.#changes.on('change', listener);
    return () => this.#changes.off('change', listener);
  }

  /** When all were forgotten. Returns how to stop it. */
  onClear(listener: () => void): () => void {
    this.#changes.on('clear', listener);
    return () => this.#changes.off('clear', listener);
  }

  /**
   * The first push, past or to come, that the predicate is true of.
   * @param timeoutMs then it rejects, saying what there was
   */
  async waitFor(predicate: (record: PushRecord) => boolean, timeoutMs: number): Promise<PushRecord> {
    const found = this.all().find(predicate);
    if (found) return found;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      for await (const [record] of on(this.#changes, 'change', { signal })) {
        if (predicate(record as PushRecord)) return record as PushRecord;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const seen = this.all().map(({ state, status }) => `${state} ${status ?? ''}`.trim());
    throw new Error(`no such push within ${timeoutMs} ms; there were: ${seen.join(', ') || 'none'}`);
  }
}

/** A record as plain JSON: the body in base64url. */
export function recordToJson({ body, ...rest }: PushRecord): Record<string, unknown> {
  return { ...rest, body: body.toString('base64url') };
}
