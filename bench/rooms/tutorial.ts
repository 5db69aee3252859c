/** How GrandChat tells of messages. */
export const MODES = ['api', 'outbox', 'cdc', 'api_cdc'] as const;
export type Mode = (typeof MODES)[number];

/** ms: until the POST is answered, inside the real-time server, and until the writer sees it. */
export interface Figures {
  readonly creation: number;
  readonly broadcast: number;
  readonly delivery: number;
}

/** What the tutorial says of its own GrandChat with Centrifugo's memory engine: medians, one client online, a laptop (M1 Pro). */
export function tutorialFigures(members: number, mode: Mode): Figures | undefined {
  const [creation, broadcast, delivery] = FIGURES[members]?.[mode] ?? [];
  if (creation === undefined || broadcast === undefined || delivery === undefined) return undefined;
  return { creation, broadcast, delivery };
}

const FIGURES: Readonly<Record<number, Readonly<Record<Mode, readonly number[]>>>> = {
  100: { api: [50, 2, 40], outbox: [35, 1, 70], cdc: [35, 1, 140], api_cdc: [50, 1, 50] },
  1000: { api: [60, 20, 50], outbox: [50, 18, 75], cdc: [50, 18, 170], api_cdc: [60, 18, 55] },
  10000: { api: [120, 60, 115], outbox: [55, 55, 130], cdc: [55, 55, 250], api_cdc: [170, 55, 150] },
  100000: { api: [620, 520, 600], outbox: [170, 500, 600], cdc: [170, 500, 750], api_cdc: [900, 500, 750] },
};
