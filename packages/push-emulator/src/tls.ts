import type { Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import { createAuthority, type KeyAndCertificate } from './certificates/authority.ts';

/** Names that the emulator answers to over TLS. */
export const TLS_HOSTS = [
  'localhost',
  '127.0.0.1',
  '::1',
  '*.google.com',
  '*.googleapis.com',
  '*.push.services.mozilla.com',
  'push-api.cloud.huawei.com',
  'oauth-login.cloud.huawei.com',
  '*.push.apple.com',
  '*.sandbox.push.apple.com',
  '*.development.push.apple.com',
];

/** Where an https URL leads, as sockets take it: a URL has brackets around IPv6, and no port where it is 443. */
export function addressOf(httpsUrl: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(httpsUrl);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || 443 };
}

/**
 * Lets some connections of a server meet a certificate of an authority that nobody knows: those for which `isBad` answers true as
 * they come.
 */
export function presentBadCertificates(
  server: TlsServer,
  good: KeyAndCertificate,
  isBad: () => boolean,
): void {
  let bad: KeyAndCertificate | undefined;
  let isBadNow = false;
  // Node takes the server's certificate of the moment when a connection comes, in a listener of its own after this one.
  server.prependListener('connection', (_: Socket) => {
    const shouldBeBad = isBad();
    if (shouldBeBad === isBadNow) return;
    if (shouldBeBad) bad ??= createAuthority().issue(TLS_HOSTS);
    isBadNow = shouldBeBad;
    server.setSecureContext(shouldBeBad ? bad! : good);
  });
}
