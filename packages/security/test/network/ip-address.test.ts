import { test } from 'tap';
import { clientNetwork, normalizeAddress } from '../../src/index.ts';

test('every spelling of an IP address has one normal form', (t) => {
  for (const spelling of [
    '192.0.2.7',
    ' 192.0.2.7 ',
    '::ffff:192.0.2.7',
    '::FFFF:c000:0207',
    '0:0:0:0:0:ffff:192.0.2.7',
  ])
    t.equal(normalizeAddress(spelling), '192.0.2.7', spelling);
  for (const spelling of [
    '2001:db8::1',
    '2001:DB8:0:0:0:0:0:1',
    '2001:0db8::0001',
    '2001:db8::0:1%eth0',
  ])
    t.equal(normalizeAddress(spelling), '2001:db8::1', spelling);
  t.not(normalizeAddress('::192.0.2.7'), '192.0.2.7', 'that is another address');
  t.equal(normalizeAddress('nonsense'), 'nonsense');
  t.end();
});

test('the network of an IPv6 address is its /64 in any spelling', (t) => {
  for (const [ip, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ] as const)
    t.equal(clientNetwork(ip), network, ip);
  t.end();
});
