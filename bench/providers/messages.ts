/** What the benchmark of providers and the processes that send tell each other. */

export const VENDORS = ['fcm', 'apns', 'hms', 'webpush'] as const;
export type Vendor = (typeof VENDORS)[number];

/** Who sends: Carillon through sender threads, a library or server as it is, or Node's HTTP/2 with nothing around it. */
export type Subject = 'carillon' | 'firebase-admin' | 'gorush' | 'node-apn' | 'web-push' | 'node:http2';

export interface SinkAddress {
  readonly url: string;
  /** The certificate to trust, PEM. */
  readonly ca: string;
}

export interface ServerPlace {
  readonly program: string;
  readonly folder: string;
}

export type SenderRequest =
  | {
      readonly type: 'prepare';
      readonly subject: Subject;
      readonly vendor: Vendor;
      readonly sink: SinkAddress;
      /** Sender threads, for Carillon. */
      readonly threads: number;
      /** Where the subject is a server of its own: its program, and a folder for its files. */
      readonly server?: ServerPlace;
    }
  /** Make the targets number `from` and up, all different, before the clock runs. */
  | { readonly type: 'make'; readonly from: number; readonly count: number }
  /** Send to them. */
  | { readonly type: 'send' };

export type SenderReply =
  /** `pids`: whose CPU and memory count. */
  | { readonly type: 'ready'; readonly pids: readonly number[] }
  | { readonly type: 'made' }
  /** Milliseconds from handing a push over to its outcome. */
  | {
      readonly type: 'sent';
      readonly accepted: number;
      readonly other: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    };
