/** What the benchmark of providers and the processes that send tell each other. */

export const VENDORS = ['fcm', 'apns', 'hms', 'webpush'] as const;
export type Vendor = (typeof VENDORS)[number];

/** Who sends: Carillon through sender threads, a library as it is, or Node's HTTP/2 with nothing around it. */
export type Subject = 'carillon' | 'firebase-admin' | 'go-fcm' | 'node-apn' | 'web-push' | 'node:http2';

export interface SinkAddress {
  readonly url: string;
  /** The certificate to trust, PEM. */
  readonly ca: string;
}

export type SenderRequest =
  | {
      readonly type: 'prepare';
      readonly subject: Subject;
      readonly vendor: Vendor;
      readonly sink: SinkAddress;
      /** Sender threads, for Carillon. */
      readonly threads: number;
      /** What is to be shown, for senders that do not have it from us. */
      readonly title: string;
      readonly body: string;
    }
  /** Make the targets number `from` and up, all different, before the clock runs. */
  | { readonly type: 'make'; readonly from: number; readonly count: number }
  /** Send to them. */
  | { readonly type: 'send' };

export type SenderReply =
  | { readonly type: 'ready' }
  | { readonly type: 'made' }
  /** Milliseconds from handing a push over to its outcome. */
  | {
      readonly type: 'sent';
      readonly accepted: number;
      readonly other: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    };
