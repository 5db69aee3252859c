/** The cases of the suite `rooms`. */
import { setTimeout as delay } from 'node:timers/promises';
import { insertBySql } from '../push/devices.ts';
import { monotonicMs } from '../push/sink-messages.ts';
import { cpuBetween, cpuByThread, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { percentile } from '../support/statistics.ts';
import type { RunningApp, Stage } from './stage.ts';
import { Crowd, Listener, newContent, say, type Times, untilHandedOver, untilQuiet } from './talk.ts';

const WARM_UP = 3;
/** A pause between messages: latency, not throughput. */
const PAUSE_MS = 50;
/** Between messages of the small room, from one's arrival to the next. */
const NEIGHBOUR_PAUSE_MS = 10;
const DEVICES = 10_000;

export interface Message extends Times {
  /** ms that Carillon spent on its broadcasts, all chunks added up. */
  readonly broadcast: number;
  /** ms of CPU that Carillon had until everybody had it and no command was left in the outbox. */
  readonly cpu: number;
}

export interface RoomCase {
  readonly members: number;
  /** Members who are connected besides the writer and the last one; 0 for none. */
  readonly online: number;
  readonly messages: number;
}

/** Writes messages to one room, each when the one before it is with everybody and Carillon is quiet. */
export async function measureRoom(
  stage: Stage,
  app: RunningApp,
  { members, online, messages }: RoomCase,
  progress: Progress,
): Promise<Message[]> {
  const room = stage.roomId(members);
  const people = await openPeople(stage, app, members, online);
  try {
    const measured: Message[] = [];
    let before = await untilQuiet(app);
    for (let n = 1; n <= WARM_UP + messages; n++) {
      const cpuBefore = cpuByThread(app.carillonPid);
      const times = await say(room, people);
      await untilHandedOver(stage.db);
      const cpu = totalCpu(cpuBetween(cpuBefore, cpuByThread(app.carillonPid))) / 1_000;
      const after = await untilQuiet(app);
      const broadcast = (after.seconds - before.seconds) * 1_000;
      if (n > WARM_UP) measured.push({ ...times, broadcast, cpu });
      before = after;
      progress.update(`${n} of ${WARM_UP + messages} messages`);
      await delay(PAUSE_MS);
    }
    return measured;
  } finally {
    await people.close();
  }
}

/** ms from a POST to the arrival, in a room of 100, while a message to a room of `members` is under way. */
export interface Neighbours {
  /** The same with nothing else under way. */
  readonly alone: readonly number[];
  readonly beside: readonly number[];
}

/** Talks in a small room all the time, and writes some messages to a large one meanwhile. */
export async function measureNeighbours(
  stage: Stage,
  app: RunningApp,
  { members, messages }: { members: number; messages: number },
  progress: Progress,
): Promise<Neighbours> {
  const large = await openPeople(stage, app, members, 0);
  const small = { writer: await Listener.open(app, 2), last: await Listener.open(app, 99), crowd: undefined };
  const talk = async (until: Promise<unknown>): Promise<number[]> => {
    const times: number[] = [];
    let isOver = false;
    void until.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      times.push((await say(stage.roomId(100), small)).last);
      await delay(NEIGHBOUR_PAUSE_MS);
    }
    return times;
  };
  try {
    const alone = await talk(delay(2_000));
    const beside: number[] = [];
    for (let n = 1; n <= messages; n++) {
      await untilQuiet(app);
      const underWay = say(stage.roomId(members), large);
      beside.push(...(await talk(underWay)));
      progress.update(`${n} of ${messages} messages`);
    }
    return { alone: alone.slice(WARM_UP), beside };
  } finally {
    small.writer.close();
    small.last.close();
    await large.close();
  }
}

/** ms from a POST until the push service has taken a push for each of 10 000 devices that are bound to the room. */
export async function measurePush(
  stage: Stage,
  app: RunningApp,
  { members, messages }: { members: number; messages: number },
  progress: Progress,
): Promise<{ devices: number; last: number[]; median: number[] }> {
  const room = stage.roomId(members);
  const audience = { set: members, topic: `chat:messages:${room}`, count: DEVICES };
  await insertBySql(stage.db, stage.sink.origin, audience);
  const writer = await Listener.open(app, 1);
  const [last, median]: number[][] = [[], []];
  try {
    // The first one starts the sender threads, and does not count.
    for (let n = 0; n <= messages; n++) {
      const expected = await stage.sink.expect(audience.set, DEVICES);
      const since = monotonicMs();
      await writer.person.write(room, newContent());
      await expected.complete(progress);
      const { lastMs, p50Ms } = await expected.figures(since);
      if (n > 0) {
        last?.push(lastMs);
        median?.push(p50Ms);
      }
      await untilQuiet(app);
      progress.update(`${n} of ${messages} messages`);
    }
    return { devices: DEVICES, last: last ?? [], median: median ?? [] };
  } finally {
    writer.close();
  }
}

export function medianOf(values: readonly number[]): number {
  return percentile(values, 0.5) ?? Number.NaN;
}

async function openPeople(stage: Stage, app: RunningApp, members: number, online: number) {
  const writer = await Listener.open(app, 1);
  const last = await Listener.open(app, members);
  const crowd = online > 0 ? await Crowd.open(stage, app, members, online) : undefined;
  return {
    writer,
    last,
    crowd,
    async close() {
      writer.close();
      last.close();
      await crowd?.stop();
    },
  };
}
