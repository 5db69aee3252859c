import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A port of this machine that leads to another one. */
export interface Relay {
  /** What clients connect to. */
  readonly origin: string;
  /** Ends all connections through it. */
  drop(): void;
  close(): void;
}

/** A wire between clients and a server that can be cut and mended. */
export interface Wire extends Pick<Relay, 'origin' | 'close'> {
  cut(): void;
  mend(): void;
}

/** `portOf` says, for each connection, where it leads; undefined refuses it. */
export async function startRelay(portOf: () => number | undefined): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const port = portOf();
    if (port === undefined) {
      socket.destroy();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => end.destroy());
      end.on('close', () => sockets.delete(end));
    }
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    drop,
    close() {
      server.close();
      drop();
    },
  };
}

/** Lays a wire to the server at `target`, an http URL of this machine. */
export async function startWire(target: string): Promise<Wire> {
  const port = Number(new URL(target).port);
  let isCut = false;
  const relay = await startRelay(() => (isCut ? undefined : port));
  return {
    origin: relay.origin,
    cut() {
      isCut = true;
      relay.drop();
    },
    mend() {
      isCut = false;
    },
    close: relay.close,
  };
}
