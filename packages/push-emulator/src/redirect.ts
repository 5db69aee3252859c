import { Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { PushEmulator } from './emulator.ts';
import { addressOf } from './tls.ts';

const APPLE = /^api(\.sandbox|\.development)?\.push\.apple\.com$/;
const OTHERS = [
  /^(oauth2|fcm|iid|www|firebaseinstallations|fcmregistrations)\.googleapis\.com$/,
  /^(push-api|oauth-login)\.cloud\.huawei\.com$/,
  /^updates\.push\.services\.mozilla\.com$/,
];

interface Destination {
  readonly host?: string;
  readonly port?: number | string;
}

/**
 * Lets this process, whatever libraries it sends with, find the emulator under the vendors' own names: connections to their hosts
 * go to the emulator instead, and its authority is trusted. For libraries whose addresses are constants, as `firebase-admin`'s are.
 * @returns takes it back
 */
export function redirectVendors({
  httpsUrl,
  apnsUrl,
  ca,
}: Pick<PushEmulator, 'httpsUrl' | 'apnsUrl' | 'ca'>): () => void {
  const targetOf = ({ host = '' }: Destination) => {
    const url = APPLE.test(host) ? apnsUrl : OTHERS.some((one) => one.test(host)) ? httpsUrl : undefined;
    return url === undefined ? undefined : addressOf(url);
  };

  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, ca]);
  const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;
  // Every way to connect ends here: with options, or with a list that begins with them (`net.connect`).
  const redirected = function (this: Socket, ...args: unknown[]): Socket {
    const [first, ...rest] = args;
    const options = (Array.isArray(first) ? first[0] : first) as Destination | null;
    const target = typeof options === 'object' && options !== null ? targetOf(options) : undefined;
    if (!target) return connect.apply(this, args);
    if (!Array.isArray(first)) return connect.call(this, { ...options, ...target }, ...rest);
    first[0] = { ...options, ...target };
    return connect.call(this, first, ...rest);
  };
  Socket.prototype.connect = redirected as typeof Socket.prototype.connect;
  return () => {
    if (Socket.prototype.connect === redirected) Socket.prototype.connect = connect as typeof redirected;
    setDefaultCACertificates(trusted);
  };
}
