import type { Socket } from 'node:net';
import type { PushRecord } from '../journal.ts';
import type { Mailbox } from '../webpush/mailbox.ts';
import type { Agent, Subscription } from '../webpush/registry.ts';
import type { Devices } from './devices.ts';
import {
  encodeFrame,
  type Frame,
  type FrameKind,
  FrameReader,
  MCS_VERSION,
  type MessageOf,
} from './frames.ts';

/** As for HTTP: nobody who may log in. */
const UNAUTHORIZED = 401;

export interface MessageSocketOptions {
  readonly devices: Devices;
  readonly mailbox: Mailbox;
  readonly now: () => number;
}

/**
 * One connection of Chromium's to the message service (MCS).
 *
 * It begins with the browser's version byte and LoginRequest. Whoever names a device and its security token is answered,
 * gets all that it has not acknowledged, and takes over from an earlier connection of its own, which is cut. Others are told that the
 * login failed. From then
 * on pushes go out as they come. Each frame sent has a number, the LoginResponse 1; when the browser names a number, all pushes up
 * to it are acknowledged. Anything that is no message of the protocol ends the connection.
 */
export function serveMessageSocket(socket: Socket, { devices, mailbox, now }: MessageSocketOptions): void {
  const reader = new FrameReader();
  const unacknowledged = new Map<number, { subscription: Subscription; record: PushRecord }>();
  let agent: Agent | undefined;
  let sent = 0;
  let received = 0;

  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of reader.read(chunk)) {
        received += 1;
        take(frame);
      }
    } catch {
      socket.destroy();
    }
  });
  socket.on('close', () => {
    // A later connection of the same browser has taken over when `deliver` is no longer ours.
    if (!agent || agent.deliver !== deliver) return;
    agent.deliver = undefined;
    mailbox.away(agent);
  });

  function take(frame: Frame): void {
    if (frame.kind === 'loginRequest') logIn(frame.message);
    else if (!agent) throw new Error('no login');
    if (frame.kind === 'close') socket.end();
    if (frame.kind === 'ping' || frame.kind === 'pong' || frame.kind === 'iq') {
      acknowledge(frame.message.lastStreamIdReceived ?? 0);
    }
    if (frame.kind === 'ping') send('pong', { lastStreamIdReceived: received });
  }

  function logIn({ user = '', authToken = '', receivedPersistentId = [] }: MessageOf<'loginRequest'>): void {
    socket.write(Buffer.of(MCS_VERSION));
    const known = devices.authenticate(user, authToken);
    if (!known) {
      const error = { code: UNAUTHORIZED, message: 'wrong security token' };
      send('loginResponse', { id: '', error, serverTimestamp: now() });
      socket.end();
      return;
    }
    const response = { id: '', streamId: 1, lastStreamIdReceived: 1, serverTimestamp: now() };
    send('loginResponse', response);
    const earlier = known.deliver;
    agent = known;
    known.deliver = deliver;
    if (earlier) cutters.get(earlier)?.();
    cutters.set(deliver, () => socket.destroy());
    for (const subscription of known.channels.values()) {
      for (const record of subscription.pending.filter(({ id }) => receivedPersistentId.includes(id))) {
        mailbox.acknowledge(subscription, record);
      }
    }
    mailbox.resend(known);
  }

  function deliver(subscription: Subscription, record: PushRecord): void {
    const { app = '', sender = '' } = devices.registrationOf(subscription) ?? {};
    const { id, headers, body } = record;
    const appData = [{ key: 'subtype', value: subscription.channelId }];
    if (headers?.encoding) appData.push({ key: 'content-encoding', value: headers.encoding });
    send('data', {
      from: sender,
      category: app,
      appData,
      persistentId: id,
      ttl: headers?.ttl ?? 0,
      sent: record.receivedAt,
      ...(body.length > 0 && { rawData: body }),
      immediateAck: true,
    });
    unacknowledged.set(sent, { subscription, record });
  }

  function acknowledge(upTo: number): void {
    for (const [streamId, { subscription, record }] of unacknowledged) {
      if (streamId > upTo) return;
      unacknowledged.delete(streamId);
      mailbox.acknowledge(subscription, record);
    }
  }

  function send<K extends FrameKind>(kind: K, message: MessageOf<K>): void {
    sent += 1;
    socket.write(encodeFrame(kind, message));
  }
}

/** How to end the connection that a browser's `deliver` belongs to. */
const cutters = new WeakMap<object, () => void>();
