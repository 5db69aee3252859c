import { COMMANDS } from './commands.ts';
import { CONNECTING } from './connecting.ts';
import { FROM_THE_SERVER } from './from-the-server.ts';
import { SUBSCRIBING } from './subscribing.ts';
import type { Conversation } from './words.ts';

export { PROTOCOL_NAMESPACES } from './words.ts';

/** Every conversation that both servers are to hold in the same way. */
export const CONVERSATIONS = [...CONNECTING, ...SUBSCRIBING, ...COMMANDS, ...FROM_THE_SERVER];

/** What only JSON can say. */
const OF_JSON = new Set(['publication of bytes to who takes JSON', 'positions at connect that are none']);
/** Where the servers differ in Protobuf alone. */
const DIFFERENCES = new Map(
  ['publication, whole, to who takes deltas', 'publication of nothing to who takes deltas'].map((what) => [
    what,
    'Centrifugo tells the epoch beside deltas in Protobuf, and not in JSON; the subscription has told it before',
  ]),
);

/** The same in Protobuf. */
export const CONVERSATIONS_IN_PROTOBUF = CONVERSATIONS.filter(([what]) => !OF_JSON.has(what)).map(
  ([what, converse, difference]): Conversation => [what, converse, difference ?? DIFFERENCES.get(what)],
);
