/**
 * A message to a room with up to 100 000 members, in every mode of GrandChat: until its POST is answered, inside Carillon, and
 * until it is on the screens; beside the figures that the tutorial gives for its own GrandChat. And what else there is at such
 * a moment: a small room that wants to talk, and thousands of devices to be rung.
 */
import { loadavg } from 'node:os';
import { SCALE_ROOMS } from 'grandchat-server';
import { type Message, measureNeighbours, measurePush, measureRoom, medianOf } from '../rooms/cases.ts';
import { openStage, type Stage } from '../rooms/stage.ts';
import { type Figures, MODES, type Mode, tutorialFigures } from '../rooms/tutorial.ts';
import { listOf } from '../support/args.ts';
import { percentile } from '../support/statistics.ts';
import { type Result, type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';
import { textTable } from '../support/table.ts';

const MESSAGES = 50;
const QUICK_MESSAGES = 10;
const ONLINE = 2_000;
/** Messages to the largest room while a small one talks, and messages that ring devices. */
const FURTHER = 10;
const QUICK_FURTHER = 3;
const SIZES = SCALE_ROOMS.map(({ members }) => members).toSorted((a, b) => a - b);
const QUICK_MODES: readonly Mode[] = ['outbox'];
const PUSH_MEMBERS = 10_000;
/** The room that is written to while another one talks. */
const LARGEST = SIZES.at(-1) as number;

export const roomsSuite: Suite = {
  name: 'rooms',
  description:
    'a message to rooms of up to 100,000 members, in each mode of GrandChat, beside the tutorial’s figures',
  flags: [
    { name: 'modes', value: 'LIST', description: `of ${MODES.join(', ')} (default: all; --quick: outbox)` },
    { name: 'sizes', value: 'LIST', description: `of ${SIZES.join(', ')}` },
    { name: 'cpu-prof', value: 'DIR', description: 'GrandChat and Carillon write CPU profiles there' },
  ],
  run: measureAll,
};

interface Row {
  readonly members: number;
  readonly mode: Mode;
  readonly online: number;
  readonly messages: readonly Message[];
  readonly load: number;
}

async function measureAll({ quick, flags, progress }: RunOptions): Promise<SuiteReport> {
  const modes = listOf('rooms', 'modes', flags.modes, MODES, quick ? QUICK_MODES : MODES);
  const sizes = listOf('rooms', 'sizes', flags.sizes, SIZES.map(String), SIZES.map(String)).map(Number);
  const messages = quick ? QUICK_MESSAGES : MESSAGES;
  const further = quick ? QUICK_FURTHER : FURTHER;
  const stage = await openStage(progress);
  try {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const mode of modes) {
      const app = await stage.start(mode, flags['cpu-prof'] as string | undefined);
      try {
        for (const members of sizes) {
          for (const online of quick && members !== sizes.at(-1) ? [0] : [0, ONLINE]) {
            progress.step(`${mode}: ${members} members, ${online || 'hardly anybody'} online`);
            const room = { members, online, messages };
            const measured = await measureRoom(stage, app, room, progress);
            rows.push({ members, mode, online, messages: measured, load: loadavg()[0] ?? 0 });
          }
        }
        if (sizes.includes(LARGEST)) {
          progress.step(`${mode}: a small room beside ${LARGEST} members`);
          const room = { members: LARGEST, messages: further };
          const { alone, beside } = await measureNeighbours(stage, app, room, progress);
          notes.push(
            `${mode}: a message in a room of 100 while one to ${number(LARGEST)} is under way: p50 ${ms(medianOf(beside))}, max ${ms(Math.max(...beside))} ms of ${beside.length}; with nothing else p50 ${ms(medianOf(alone))}, max ${ms(Math.max(...alone))} ms; ${load()}`,
          );
        }
      } finally {
        await app.close();
      }
    }
    notes.push(await pushNote(stage, further, progress));
    return {
      conditions: conditionsOf(stage, messages),
      results: rows.flatMap(resultsOf),
      table: tableOf(rows),
      notes,
    };
  } finally {
    await stage.close();
  }
}

/** Apart from the rest: its devices would be rung by every message. */
async function pushNote(stage: Stage, messages: number, progress: RunOptions['progress']): Promise<string> {
  progress.step('outbox: devices to ring');
  const app = await stage.start('outbox');
  try {
    const { devices, last, median } = await measurePush(
      stage,
      app,
      { members: PUSH_MEMBERS, messages },
      progress,
    );
    return `outbox: ${number(devices)} devices bound to the room of ${number(PUSH_MEMBERS)}: from POST to the push service’s 201, median of ${last.length}: half of them ${ms(medianOf(median))} ms, the last ${ms(medianOf(last))} ms (${number(Math.round((devices / medianOf(last)) * 1_000))} a second); ${load()}`;
  } finally {
    await app.close();
  }
}

function conditionsOf(stage: Stage, messages: number): string[] {
  return [
    `medians of ${messages} messages one by one, in ms; GrandChat, Carillon, PostgreSQL and all clients on these cores`,
    'creation: POST to its answer; broadcast: what Carillon spends on all chunks, added up (the copy by HTTP where there are two); delivery: POST to the WebSocket of the writer, of the last in the list of members, and of the last of all online',
    'CPU: of Carillon, until all have the message; load: the average of a minute before',
    'writer and last member: the official client through GrandChat’s address; hardly anybody else online, or 2,000 members (all of a smaller room) on bare clients spread over the list',
    'tutorial: its own figures for its own GrandChat with Centrifugo’s memory engine, on a laptop (M1 Pro), one client online',
    ...stage.conditions,
  ];
}

function tableOf(rows: readonly Row[]): string {
  const head = [
    'members',
    'mode',
    'online',
    'creation',
    'broadcast',
    'writer',
    'last',
    'everybody',
    'CPU',
    'load',
  ];
  const lines = rows.map(({ members, mode, online, messages, load: average }) => {
    const median = (of: (message: Message) => number) => ms(medianOf(messages.map(of)));
    const told = online === 0 ? tutorialFigures(members, mode) : undefined;
    return [
      number(members),
      mode,
      online === 0 ? '2' : number(Math.min(online, members) + 2),
      median((message) => message.creation),
      median((message) => message.broadcast),
      median((message) => message.writer),
      median((message) => message.last),
      online === 0 ? '' : median((message) => message.everybody),
      median((message) => message.cpu),
      average.toFixed(1),
      told ? tutorialWords(told) : '',
    ];
  });
  return textTable([[...head, 'tutorial: creation / broadcast / delivery'], ...lines], 3);
}

function tutorialWords({ creation, broadcast, delivery }: Figures): string {
  return `${creation} / ${broadcast} / ${delivery}`;
}

function resultsOf({ members, mode, online, messages }: Row): Result[] {
  const where = `${number(members)} members, ${mode}, ${online === 0 ? 'hardly anybody' : number(Math.min(online, members))} online`;
  const parts: [string, (message: Message) => number][] = [
    ['creation', (message) => message.creation],
    ['broadcast', (message) => message.broadcast],
    ['delivery to the writer', (message) => message.writer],
    ['delivery to the last member', (message) => message.last],
    ['delivery to everybody', (message) => message.everybody],
  ];
  return parts.map(([name, of]) => {
    const values = messages.map(of);
    return result(`${where}: ${name}`, 'carillon', {
      p50Ms: percentile(values, 0.5),
      p99Ms: percentile(values, 0.99),
    });
  });
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function load(): string {
  return `load average ${(loadavg()[0] ?? 0).toFixed(1)}`;
}
