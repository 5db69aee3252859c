import { createHash } from 'node:crypto';
import { shorten } from '../../logger.ts';
import type { Target } from '../providers/provider.ts';
import type { Job, SendPayload } from '../queue/queue.ts';

/** Whom a job would have rung, and has not yet. */
export function recipientsOf({ payload, settled }: Pick<Job, 'payload' | 'settled'>): string[] {
  if ('cursor' in payload) return [];
  const { length } = 'devices' in payload ? payload.devices : payload.targets;
  return Array.from({ length }, (_, index) => index)
    .filter((index) => !settled.includes(index))
    .map((index) => recipientName(payload, index));
}

/** The device's id, or what a raw target is called. */
export function recipientName(payload: SendPayload, index: number): string {
  return 'devices' in payload
    ? (payload.devices[index] as string)
    : targetName(payload.targets[index] as Target);
}

/** How a raw target is called where its token must not be: a native topic by itself, a token shortened, with a digest. */
export function targetName({ kind, token }: Target): string {
  if (kind) return `${kind}:${token}`;
  const digest = createHash('sha256').update(token).digest('base64url').slice(0, 10);
  return `token:${shorten(token)}#${digest}`;
}
