import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import {
  bitString,
  boolean,
  der,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  set,
  utcTime,
  utf8String,
} from './der.ts';

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const DAY_MS = 24 * 60 * 60_000;

export interface CertificateOptions {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly issuer: string;
  /** P-256, as the issuer's public key. */
  readonly issuerKey: KeyObject;
  readonly issuerPublicKey: KeyObject;
  /** From yesterday on. */
  readonly days: number;
  /** Names and IP addresses of a server, `*.` allowed; without `hosts` and `client`, it is a certificate authority. */
  readonly hosts?: readonly string[];
  readonly client?: ApnsClient;
}

/** What Apple's certificates for senders say of them (vendors.md 2.1). */
export interface ApnsClient {
  /** The first of them is the subject's UID. */
  readonly topics: readonly string[];
  readonly environment: 'development' | 'production';
}

/** An X.509 version 3 certificate (RFC 5280), signed with ECDSA and SHA-256, as PEM. */
export function createCertificate(options: CertificateOptions): string {
  const { subject, publicKey, issuer, issuerKey, issuerPublicKey, days, hosts, client } = options;
  const serial = randomBytes(16);
  serial[0]! &= 0x7f;
  serial[0]! |= 0x01;
  const now = Date.now();
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(serial),
    ECDSA_SHA256,
    name(issuer),
    sequence(utcTime(new Date(now - DAY_MS)), utcTime(new Date(now + days * DAY_MS))),
    name(subject, client?.topics[0]),
    spkiOf(publicKey),
    explicit(
      3,
      sequence(
        extension('2.5.29.14', octetString(keyId(publicKey))),
        extension('2.5.29.35', sequence(implicit(0, keyId(issuerPublicKey)))),
        ...(client ? clientExtensions(client) : hosts ? serverExtensions(hosts) : authorityExtensions()),
      ),
    ),
  );
  const signature = sign('sha256', toBeSigned, { key: issuerKey, dsaEncoding: 'der' });
  return pem(sequence(toBeSigned, ECDSA_SHA256, bitString(signature)));
}

/** Subject public key info of a key, in DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function authorityExtensions(): Buffer[] {
  return [
    extension('2.5.29.19', sequence(boolean(true)), true),
    // keyCertSign and cRLSign: bits 5 and 6 of 7.
    extension('2.5.29.15', bitString(Buffer.of(0b0000_0110), 1), true),
  ];
}

function serverExtensions(hosts: readonly string[]): Buffer[] {
  return [
    extension('2.5.29.19', sequence(), true),
    // digitalSignature: bit 0.
    extension('2.5.29.15', bitString(Buffer.of(0b1000_0000), 7), true),
    // serverAuth.
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', sequence(...hosts.map(generalName))),
  ];
}

function clientExtensions({ topics, environment }: ApnsClient): Buffer[] {
  const apple = '1.2.840.113635.100.6.3';
  const kinds = topics.flatMap((topic) => [utf8String(topic), sequence(utf8String('app'))]);
  return [
    extension('2.5.29.19', sequence(), true),
    extension('2.5.29.15', bitString(Buffer.of(0b1000_0000), 7), true),
    // clientAuth.
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.2'))),
    extension(`${apple}.${environment === 'development' ? 1 : 2}`, der(0x05)),
    extension(`${apple}.6`, sequence(...kinds)),
  ];
}

function generalName(host: string): Buffer {
  const address = addressBytes(host);
  return address ? implicit(7, address) : implicit(2, Buffer.from(host));
}

function addressBytes(host: string): Buffer | undefined {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number));
  if (!isIPv6(host)) return undefined;
  const [head = '', tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array<string>(tail === undefined ? 0 : missing).fill('0'),
    ...groups(tail),
  ];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function name(commonName: string, uid?: string): Buffer {
  const part = (id: string, text: string) => set(sequence(oid(id), utf8String(text)));
  return sequence(
    ...(uid === undefined ? [] : [part('0.9.2342.19200300.100.1.1', uid)]),
    part('2.5.4.3', commonName),
  );
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

/** Which key it is: any hash does (RFC 5280, section 4.2.1.2). */
function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha256').update(spkiOf(publicKey)).digest().subarray(0, 20);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
