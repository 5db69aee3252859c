import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  BlockedAddressError,
  guardLookup,
  isBlockedAddress,
} from '../../../src/push/providers/http/addresses.ts';
import { stubLookup } from './support.ts';

describe('an address of the public internet', () => {
  for (const address of [
    '8.8.8.8',
    '142.250.74.106',
    '17.188.143.1',
    '100.63.255.255',
    '100.128.0.1',
    '172.32.0.1',
    '2a00:1450:4001::1',
    '2620:149:208::1',
  ]) {
    it(`is ${address}`, () => assert.equal(isBlockedAddress(address), false));
  }
});

describe('an address that is refused', () => {
  const table: Record<string, string[]> = {
    loopback: ['127.0.0.1', '127.255.255.254', '::1'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1'],
    'link-local and cloud metadata': ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
    unspecified: ['0.0.0.0', '0.1.2.3', '::'],
    'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
    'multicast, reserved and broadcast': ['224.0.0.1', '240.0.0.1', '255.255.255.255', 'ff02::1'],
    'documentation and benchmarks': ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '2001:db8::1'],
    'IPv4 within IPv6': [
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
      '2002:7f00:1::',
      '2001::1',
    ],
    'no address at all': ['localhost', '', '1.2.3'],
  };
  for (const [kind, addresses] of Object.entries(table)) {
    for (const address of addresses) {
      it(`is ${kind}: '${address}'`, () => assert.equal(isBlockedAddress(address), true));
    }
  }
});

describe('the guarded lookup', () => {
  const resolve = (...answers: string[][]) => {
    const guarded = promisify(guardLookup(stubLookup(...answers))) as unknown as (
      name: string,
      options: { all: true },
    ) => Promise<{ address: string }[]>;
    return async () => (await guarded('push.test', { all: true })).map(({ address }) => address);
  };

  it('gives public addresses on', async () => {
    assert.deepEqual(await resolve(['8.8.8.8', '2a00:1450:4001::1'])(), ['8.8.8.8', '2a00:1450:4001::1']);
  });

  it('keeps private ones back from a mixed answer', async () => {
    assert.deepEqual(await resolve(['127.0.0.1', '8.8.8.8', '::1'])(), ['8.8.8.8']);
  });

  it('refuses a name that resolves to loopback', async () => {
    await assert.rejects(resolve(['127.0.0.1']), BlockedAddressError);
  });

  it('judges each answer by itself, so a name that first was public and then is private is refused', async () => {
    const name = resolve(['8.8.8.8'], ['127.0.0.1']);
    assert.deepEqual(await name(), ['8.8.8.8']);
    await assert.rejects(name, BlockedAddressError);
  });

  it('answers in the single form too', async () => {
    const answer = await new Promise((settle) => {
      guardLookup(stubLookup(['10.0.0.1', '8.8.8.8']))('push.test', {}, (error, address, family) => {
        settle({ error, address, family });
      });
    });
    assert.deepEqual(answer, { error: null, address: '8.8.8.8', family: 4 });
  });
});
