import type { Subscription } from './devices.ts';

/** To the process of the `web-push` library. */
export type PeerRequest =
  | {
      readonly type: 'prepare';
      readonly vapid: { readonly subject: string; readonly publicKey: string; readonly privateKey: string };
      readonly payload: string;
      /** Requests under way at once. */
      readonly inFlight: number;
    }
  | { readonly type: 'send'; readonly subscriptions: readonly Subscription[] };

/** From it. */
export type PeerReply = { readonly type: 'ready' } | { readonly type: 'sent'; readonly failed: number };
