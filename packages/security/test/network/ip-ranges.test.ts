import { test } from 'tap';
import { isAddressAllowed, normalizeRange } from '../../src/index.ts';

test('addresses and ranges have one form each', (t) => {
  for (const [typed, form] of [
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['::ffff:192.0.2.9', '192.0.2.9/32'],
    ['::ffff:192.0.2.9/120', '192.0.2.0/24'],
    ['::/0', '::/0'],
  ] as const)
    t.equal(normalizeRange(typed), form, typed);
  for (const bad of [
    '',
    '/',
    '192.0.2.0/',
    '192.0.2.0/33',
    '192.0.2.0/08x',
    '192.0.2',
    '0x7f.1',
    '010.1.1.1',
    '1.2.3.4.5',
    '256.1.1.1',
    '::/129',
    '::ffff:192.0.2.9/95',
    'fe80::1%eth0',
    '192.0.2.1,192.0.2.2',
    ' 192.0.2.1',
    'localhost',
    ':::',
  ]) {
    t.equal(normalizeRange(bad), undefined, JSON.stringify(bad));
  }
  t.end();
});

test('an address is in a list or it is not, whatever it is written as', (t) => {
  const list = ['192.0.2.0/24', '2001:db8::/32'];
  for (const inside of ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.1', '2001:db8:ffff::1'])
    t.ok(isAddressAllowed(list, inside), inside);
  for (const outside of [
    '192.0.3.0',
    '2001:db9::1',
    '::ffff:192.0.3.1',
    '::c000:201',
    '',
    'unknown',
  ])
    t.notOk(isAddressAllowed(list, outside), outside);
  t.ok(isAddressAllowed([], 'unknown'), 'no list, no limit');
  t.notOk(isAddressAllowed(['0.0.0.0/0'], '::1'), 'all of IPv4 is nothing of IPv6');
  t.end();
});
