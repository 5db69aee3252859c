import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2';
import type { ApnsKey, PushEmulator } from '../src/index.ts';
import { signJwt } from './vendor-support.ts';

export interface ApnsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Undefined when there was none. */
  readonly body: { readonly reason: string; readonly timestamp?: number } | undefined;
}

export interface ApnsRequest {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
}

/** One connection of a sender to APNs. */
export class ApnsSender {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
  }

  /** Resolves when the first SETTINGS have come. */
  static async connect(
    { apnsUrl, ca }: PushEmulator,
    options: SecureClientSessionOptions = {},
  ): Promise<ApnsSender> {
    const sender = new ApnsSender(connect(apnsUrl, { ca, ...options }));
    await once(sender.session, 'remoteSettings');
    return sender;
  }

  /** @throws what the stream or the connection ended with */
  async send(
    token: string,
    { headers = {}, method = 'POST', path = `/3/device/${token}`, body = '{"aps":{}}' }: ApnsRequest,
  ) {
    const stream = this.session.request({ ':method': method, ':path': path, ...headers });
    stream.end(body);
    let text = '';
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    let answer: Record<string, unknown> | undefined;
    stream.on('response', (response) => {
      answer = response;
    });
    stream.on('error', reject);
    stream.on('close', () =>
      answer ? resolve(answer) : reject(new Error('the stream ended without an answer')),
    );
    const response = await promise;
    return {
      status: Number(response[':status']),
      headers: response,
      body: text === '' ? undefined : JSON.parse(text),
    } satisfies ApnsAnswer;
  }

  /** How many streams the service allows. */
  get maxStreams(): number | undefined {
    return this.session.remoteSettings?.maxConcurrentStreams;
  }

  /** Resolves when it allows so many. */
  async untilMaxStreams(count: number): Promise<void> {
    while (this.maxStreams !== count) await once(this.session, 'remoteSettings');
  }

  close(): void {
    this.session.destroy();
  }
}

/** A provider token of a key. @param issuedAt milliseconds since the epoch */
export function providerToken(
  { key, keyId, teamId }: ApnsKey,
  issuedAt: number,
  changes: object = {},
): string {
  const claims = { iss: teamId, iat: Math.floor(issuedAt / 1000), ...changes };
  return `bearer ${signJwt({ alg: 'ES256', kid: keyId }, claims, createPrivateKey(key))}`;
}
