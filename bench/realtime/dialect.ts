/** How a server is spoken to: by Centrifugo's protocol and API, or by Socket.IO's. */
export type Dialect = 'centrifugo' | 'socket.io';

export const CHANNEL = 'bench';
export const API_KEY = 'bench';

interface Speech {
  readonly path: string;
  /** What a client begins with; undefined when the server begins. */
  readonly hello: string | undefined;
  /** What a client answers to the server's first words. */
  readonly answer: string | undefined;
  /** The client is subscribed. */
  readonly isReady: (text: string) => boolean;
  /** What the server's ping wants for an answer; undefined for what is no ping. */
  readonly pong: (text: string) => string | undefined;
  /** How many publications a message of the server's holds; servers may put several into one. */
  readonly publications: (text: string) => number;
}

export const SPEECH: Readonly<Record<Dialect, Speech>> = {
  centrifugo: {
    path: '/connection/websocket',
    hello: `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${CHANNEL}"}}`,
    answer: undefined,
    isReady: (text) => text.includes('"id":2'),
    // A ping may stand among publications.
    pong: (text) =>
      text === '{}' || text.startsWith('{}\n') || text.endsWith('\n{}') || text.includes('\n{}\n')
        ? '{}'
        : undefined,
    publications: (text) => occurrences(text, '"pub":'),
  },
  'socket.io': {
    path: '/socket.io/?EIO=4&transport=websocket',
    hello: undefined,
    answer: '40',
    isReady: (text) => text.startsWith('40'),
    pong: (text) => (text === '2' ? '3' : undefined),
    publications: (text) => occurrences(text, '42["publication"'),
  },
};

function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
