import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Networks that a push service is never in: IPv4, address and prefix length. */
const BLOCKED_IPV4: readonly [string, number][] = [
  ['0.0.0.0', 8], // "this network", unspecified
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local, cloud metadata
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // IETF protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
];

/** Only 2000::/3 is global unicast, so all the rest is refused, and of it what tunnels to IPv4 or is special. */
const BLOCKED_IPV6: readonly [string, number][] = [
  ['::', 3], // unspecified, loopback, IPv4-compatible, IPv4-mapped, NAT64
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
  ['4000::', 2],
  ['8000::', 1], // ULA, link-local, site-local, multicast
];

// Two lists: one would check IPv4 addresses against the IPv6 networks too, as IPv4-mapped ones.
const blockedIPv4 = new BlockList();
for (const [network, prefix] of BLOCKED_IPV4) blockedIPv4.addSubnet(network, prefix, 'ipv4');
const blockedIPv6 = new BlockList();
for (const [network, prefix] of BLOCKED_IPV6) blockedIPv6.addSubnet(network, prefix, 'ipv6');

/** Whether an address (canonical text, as DNS gives it) is none of the public internet. */
export function isBlockedAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return blockedIPv4.check(address, 'ipv4');
    case 6:
      // A zone (`fe80::1%eth0`) belongs to local addresses alone.
      return address.includes('%') || blockedIPv6.check(address, 'ipv6');
    default:
      return true;
  }
}

/** The name of a push service resolves to no public address. */
export class BlockedAddressError extends Error {
  constructor(hostname: string) {
    super(`${hostname} resolves to no public address`);
    this.name = 'BlockedAddressError';
  }
}

/**
 * A `lookup` for `net.connect` that gives back public addresses only. The socket connects to the very address that
 * was checked, so a name that changes its mind between check and connect (DNS rebinding) gains nothing.
 */
export function guardLookup(lookup: LookupFunction = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family) => {
      if (error) return callback(error, '', 0);
      const addresses: LookupAddress[] = Array.isArray(found)
        ? found
        : [{ address: found, family: family ?? 4 }];
      const open = addresses.filter(({ address }) => !isBlockedAddress(address));
      const first = open[0];
      if (!first) return callback(new BlockedAddressError(hostname), '', 0);
      if (options.all) return callback(null, open);
      callback(null, first.address, first.family);
    });
  };
}
