/** A WAL consumer in a process of its own, to be killed: what it carries out is noted in the table `seen`. */
import { setTimeout } from 'node:timers/promises';
import { openDatabase } from '../../../src/storage/open.ts';
import { Recorder } from '../recorder.ts';
import { noteSeen, WalPlace } from './place.ts';

const { DSN = '', STATUS_INTERVAL = '1000', DELAY_MS = '0' } = process.env;
const db = await openDatabase({ dsn: DSN });
const recorder = new Recorder();
recorder.dispatch = async (_method, request) => {
  await noteSeen(db, request);
  await setTimeout(Number(DELAY_MS));
};
const place = new WalPlace(DSN, db, async () => {});
const consumer = await place.open(recorder, { status_interval: Number(STATUS_INTERVAL) });
await consumer.start();
