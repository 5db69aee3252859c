import { COMMANDS } from './commands.ts';
import { CONNECTING } from './connecting.ts';
import { FROM_THE_SERVER } from './from-the-server.ts';
import { SUBSCRIBING } from './subscribing.ts';

export { PROTOCOL_NAMESPACES } from './words.ts';

/** Every conversation that both servers are to hold in the same way. */
export const CONVERSATIONS = [...CONNECTING, ...SUBSCRIBING, ...COMMANDS, ...FROM_THE_SERVER];
