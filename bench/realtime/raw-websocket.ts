/** A WebSocket client (RFC 6455) that costs little: the clients of a benchmark must not be what is measured. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface RawWebSocket {
  send(text: string): void;
  destroy(): void;
}

/**
 * Opens one; `onText` gets every text message. Rejects when the server does not switch protocols; a connection that ends
 * later is an error that nobody catches, since its clients are counted on.
 */
export function openRawWebSocket(
  port: number,
  path: string,
  onText: (text: string, client: RawWebSocket) => void,
): Promise<RawWebSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', reject);
    let isOpen = false;
    let isOver = false;
    socket.on('close', () => {
      if (isOpen && !isOver) throw new Error('the server closed a connection');
      reject(new Error('the server closed the connection'));
    });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
    let head = '';
    const onHead = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onHead);
      if (!head.startsWith('HTTP/1.1 101')) {
        socket.destroy();
        return reject(new Error(`no WebSocket: ${head.slice(0, 200)}`));
      }
      const client: RawWebSocket = {
        send: (text) => sendText(socket, text),
        destroy() {
          isOver = true;
          socket.destroy();
        },
      };
      const read = frameReader((text) => onText(text, client));
      socket.on('data', read);
      isOpen = true;
      resolve(client);
      const rest = Buffer.from(head.slice(end + 4), 'latin1');
      if (rest.length > 0) read(rest);
    };
    socket.on('data', onHead);
  });
}

/** Takes a server's frames: unmasked, not in fragments, as the servers here send them. */
function frameReader(onText: (text: string) => void): (chunk: Buffer) => void {
  let held: Buffer | undefined;
  return (chunk) => {
    let data = held ? Buffer.concat([held, chunk]) : chunk;
    held = undefined;
    while (data.length >= 2) {
      const short = (data[1] as number) & 0x7f;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (data.length < start) break;
      const length =
        short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
      if (data.length < start + length) break;
      if (((data[0] as number) & 0x0f) === 1) onText(data.toString('latin1', start, start + length));
      data = data.subarray(start + length);
    }
    if (data.length > 0) held = data;
  };
}

function sendText(socket: Socket, text: string): void {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const frame = Buffer.alloc((long ? 8 : 6) + payload.length);
  frame[0] = 0x81;
  frame[1] = 0x80 | (long ? 126 : payload.length);
  if (long) frame.writeUInt16BE(payload.length, 2);
  // A mask of zeros is a mask.
  payload.copy(frame, long ? 8 : 6);
  socket.write(frame);
}
