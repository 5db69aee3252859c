/** Members who are online: bare WebSocket clients that speak the protocol and count what comes, in a process of their own. */
import { createHmac } from 'node:crypto';
import { monotonicMs } from '../push/sink-messages.ts';
import { SPEECH } from '../realtime/dialect.ts';
import { openRawWebSocket, type RawWebSocket } from '../realtime/raw-websocket.ts';
import type { MembersAnswer, MembersRequest } from './messages.ts';

/** Clients that connect at once. */
const OPENING = 50;
const TOKEN_LIFETIME_S = 3_600;
const { path, pong } = SPEECH.centrifugo;

const clients: RawWebSocket[] = [];
let missing = 0;

process.on('message', async (request: MembersRequest) => {
  switch (request.kind) {
    case 'open':
      await open(request);
      return answer({ type: 'opened' });
    case 'expect':
      missing += clients.length;
      return answer({ type: 'expecting' });
    case 'close':
      for (const client of clients.splice(0)) client.destroy();
      missing = 0;
      answer({ type: 'closed' });
  }
});

function answer(message: MembersAnswer): void {
  process.send?.(message);
}

async function open({ port, secret, users }: Extract<MembersRequest, { kind: 'open' }>): Promise<void> {
  for (let start = 0; start < users.length; start += OPENING)
    await Promise.all(users.slice(start, start + OPENING).map((user) => openClient(port, secret, user)));
}

async function openClient(port: number, secret: string, user: number): Promise<void> {
  const channel = `personal:${user}`;
  let onReady = () => {};
  let onFailure: (error: Error) => void = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve;
    onFailure = reject;
  });
  const client = await openRawWebSocket(port, path, (text, own) => {
    const toPing = pong(text);
    if (toPing !== undefined) own.send(toPing);
    if (text.includes('"message_added"')) onMessages(text);
    if (text.includes('"id":2')) onReady();
    if (text.includes('"error"')) onFailure(new Error(`a member could not subscribe: ${text}`));
  });
  clients.push(client);
  client.send(
    [
      { id: 1, connect: { token: sign(secret, { sub: String(user) }) } },
      { id: 2, subscribe: { channel, token: sign(secret, { sub: String(user), channel }) } },
    ]
      .map((command) => JSON.stringify(command))
      .join('\n'),
  );
  await ready;
}

function onMessages(text: string): void {
  missing -= text.split('"message_added"').length - 1;
  if (missing === 0) answer({ type: 'arrived', at: monotonicMs() });
}

/** A token as GrandChat gives it: a JWT, HS256. */
function sign(secret: string, claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_LIFETIME_S;
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ ...claims, exp })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}
