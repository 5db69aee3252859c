import type { PushEmulator } from './emulator.ts';
import { type Response, writeAnswer } from './http.ts';
import { type PushRecord, recordToJson } from './journal.ts';

const MAX_LISTENERS = 64;
/** Somebody who reads so slowly is cut off, and may come again. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;

const listening = new WeakMap<PushEmulator, number>();

/**
 * The journal as server-sent events, for as long as the client listens: first `record` for every push so far, oldest first, then
 * `record` each time one comes or changes (its data as in `GET /control/messages`), and `forgotten` when they were forgotten.
 */
export async function sendEvents(emulator: PushEmulator, response: Response): Promise<void> {
  const count = listening.get(emulator) ?? 0;
  if (count >= MAX_LISTENERS) {
    return writeAnswer(response, { status: 503, body: { error: `${MAX_LISTENERS} listen already` } });
  }
  listening.set(emulator, count + 1);
  response.setHeader('Content-Type', 'text/event-stream');
  response.setHeader('Cache-Control', 'no-store');
  response.statusCode = 200;

  const write = (text: string) => {
    (response as { write(text: string): void }).write(text);
    if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
  };
  const sendRecord = (record: PushRecord) =>
    write(`event: record\ndata: ${JSON.stringify(recordToJson(record))}\n\n`);

  write(': pushes, as they come\n\n');
  for (const record of emulator.messages()) sendRecord(record);
  const stops = [
    emulator.onChange(sendRecord),
    emulator.onForget(() => write('event: forgotten\ndata: {}\n\n')),
  ];
  const timer = setInterval(() => write(': still here\n\n'), KEEP_ALIVE_MS);
  response.once('close', () => {
    clearInterval(timer);
    for (const stop of stops) stop();
    listening.set(emulator, (listening.get(emulator) ?? 1) - 1);
  });
}
