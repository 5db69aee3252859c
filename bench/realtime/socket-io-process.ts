/** A Socket.IO server whose clients are all in one room, with the same call to publish as the others have. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { CHANNEL } from './dialect.ts';

const http = createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/api/publish') return;
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { channel, data } = JSON.parse(Buffer.concat(chunks).toString()) as {
      channel: string;
      data: unknown;
    };
    io.to(channel).emit('publication', data);
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"result":{}}');
  });
});
const io = new Server(http, { transports: ['websocket'] });
io.on('connection', (socket) => void socket.join(CHANNEL));
http.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'listening', port: (http.address() as AddressInfo).port });
});
