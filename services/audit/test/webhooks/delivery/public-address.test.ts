import { test } from 'tap';
import { isPublicAddress } from '../../../webhooks/delivery/public-address.ts';

const REFUSED = {
  private: ['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.254', '192.168.1.1'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  'link-local and the metadata of clouds': [
    '169.254.169.254',
    '169.254.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
  ],
  'shared by carriers': ['100.64.0.1', '100.127.255.254'],
  'unique-local and site-local': ['fc00::1', 'fdff::1', 'fec0::1'],
  'multicast and broadcast': ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1'],
  'unspecified and reserved': [
    '0.0.0.0',
    '0.1.2.3',
    '240.0.0.1',
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '198.18.0.1',
    '::',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '4000::1',
    '5f00::1',
  ],
  'another by a transition mechanism': [
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:a00:1',
    '::127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::808:808',
    '64:ff9b:1::a00:1',
    '2002:a00:1::',
    '2002:808:808::1',
    '2001:0:53aa::1',
  ],
  'no address at all': [
    '',
    'example.com',
    '1',
    '2130706433',
    '0x7f.1',
    '127.1',
    '8.8.8.8.8',
    '[::1]',
    ' 8.8.8.8',
  ],
};

test('addresses that are not of the public internet are refused', (t) => {
  for (const [why, addresses] of Object.entries(REFUSED))
    for (const address of addresses) t.notOk(isPublicAddress(address), `${address}: ${why}`);
  t.end();
});

test('public addresses pass, at the edges of the refused ranges too', (t) => {
  for (const address of [
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::1',
    '2001:4860:4860::8888',
  ])
    t.ok(isPublicAddress(address), address);
  t.end();
});
