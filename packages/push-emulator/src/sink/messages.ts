import type { SinkCounts, SinkOptions } from './sink.ts';

/** What a sink in a process of its own is asked, and what it says; each message has a `type`. */
export type SinkRequest =
  | ({ readonly type: 'listen' } & SinkOptions)
  | { readonly type: 'counts' }
  /** Forget what came; say `complete` once so many targets were reached. */
  | { readonly type: 'expect'; readonly count: number };

export type SinkReply =
  | { readonly type: 'listening'; readonly url: string; readonly port: number; readonly ca: string }
  | { readonly type: 'expecting' }
  | { readonly type: 'complete' }
  | ({ readonly type: 'counts' } & SinkCounts)
  | { readonly type: 'failed'; readonly message: string };
