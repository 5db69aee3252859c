import type { Database } from '../../storage/database.ts';
import { type RecipientRow, recipientPage } from '../devices/device-filter.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { FanoutPayload, Job, NewJob, PushQueue } from '../queue/queue.ts';
import { chunks, type StoredPush } from '../send/pushes.ts';

export interface FanoutOptions {
  readonly db: Database;
  readonly queue: PushQueue;
  /** Devices a page: what bounds memory, whatever the audience. */
  readonly pageSize: number;
  readonly batchSize: (provider: ProviderName) => number;
  /** Offers the jobs of a short page to this worker at once; false when it has no room for them. */
  readonly hasRoomFor: (jobs: readonly NewJob[]) => boolean;
  readonly adopt: (job: Job) => void;
}

/**
 * Turns a push into send jobs, page by page. Each page's jobs and the cursor behind it are written in one transaction, so
 * that whoever goes on after a crash repeats no page and leaves out none.
 * @returns how many devices were found
 * @throws LeaseLostError when another worker has taken over
 */
export async function fanOut(
  options: FanoutOptions,
  job: Job<FanoutPayload>,
  push: StoredPush,
): Promise<number> {
  const { db, queue, pageSize } = options;
  const providers = Object.keys(push.messages) as ProviderName[];
  let { cursor } = job.payload;
  let total = 0;
  for (;;) {
    const page = recipientPage(push.filter ?? {}, providers, cursor, pageSize);
    const rows = await db.query<RecipientRow>(page.text, page.values);
    const jobs = sendJobs(push.uid, rows, options.batchSize);
    const last = rows.length < pageSize;
    // The usual push has few devices: the same worker goes on with them, and no other has to be woken.
    const lease = last && cursor === '' && jobs.length > 0 && options.hasRoomFor(jobs);
    cursor = rows.at(-1)?.id ?? cursor;
    const added = await db.transaction(async (tx) => {
      const result = await queue.add(tx, jobs, { lease });
      if (last) await queue.finish(tx, job);
      else await queue.moveCursor(tx, job, cursor);
      return result;
    });
    if (lease) for (const own of added) options.adopt(own);
    total += rows.length;
    if (last) return total;
  }
}

function sendJobs(
  uid: string,
  rows: readonly RecipientRow[],
  batchSize: (provider: ProviderName) => number,
): NewJob[] {
  const byProvider = Map.groupBy(rows, (row) => row.provider);
  return [...byProvider].flatMap(([provider, devices]) =>
    chunks(devices, batchSize(provider)).map((batch) => ({
      lane: provider,
      uid,
      payload: { devices: batch.map((device) => device.id) },
    })),
  );
}
