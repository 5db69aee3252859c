/** A push worker in a process of its own, to be killed: answers for `ACCEPT` targets, then hangs for ever. */
import { openDatabase } from '../../src/storage/open.ts';
import { FakeSenders, openPushBench } from './push.ts';

const db = await openDatabase({ dsn: process.env.DSN as string });
const senders = new FakeSenders();
let left = Number(process.env.ACCEPT);
senders.answer = () => {
  left -= 1;
  return left >= 0 ? { kind: 'accepted', code: 'accepted' } : new Promise(() => {});
};
await openPushBench(db, { senders, leaseMs: Number(process.env.LEASE_MS) });
