/** What the suite asks of the process with the members' connections, and what it answers. */

export type MembersRequest =
  /** Connects and subscribes one client for each of these users. */
  | {
      readonly kind: 'open';
      readonly port: number;
      readonly secret: string;
      readonly users: readonly number[];
    }
  /** From now on, waits until each client has got one more message. */
  | { readonly kind: 'expect' }
  | { readonly kind: 'close' };

export type MembersAnswer =
  | { readonly type: 'opened' }
  | { readonly type: 'expecting' }
  /** By `monotonicMs`, when the last of them had it. */
  | { readonly type: 'arrived'; readonly at: number }
  | { readonly type: 'closed' };
