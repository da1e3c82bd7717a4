import path from 'node:path';
import { test } from 'tap';
import { ROOT, dataFolder, readSettings } from '../../src/fleet/settings.ts';

test('without a word the fleet has two replicas on 8080 and 8443, with limits and fsync, in .data', (t) => {
  t.match(readSettings({}), {
    replicas: 2,
    port: 8080,
    tlsPort: 8443,
    limits: true,
    durable: true,
    watch: false,
    data: path.join(ROOT, '.data'),
    fixedPorts: {},
    proxyPorts: {},
  });
  t.equal(dataFolder({ DATA: '/somewhere else' }), '/somewhere else');
  t.match(readSettings({ S3_PORT: '7001', PROXY_POSTGRES_PORT: '7002' }), {
    fixedPorts: { s3: 7001 },
    proxyPorts: { postgres: 7002 },
  });
  t.end();
});

for (const [name, value] of [
  ['REPLICAS', '0'],
  ['REPLICAS', 'two'],
  ['REPLICAS', '33'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['TLS_PORT', '1.5'],
  ['LIMITS', 'yes'],
  ['DURABLE', '0'],
] as const) {
  test(`${name}=${value} is refused by name`, (t) => {
    t.throws(() => readSettings({ [name]: value }), {
      name: 'FleetError',
      message: new RegExp(`^${name}=${value}: it must be`),
    });
    t.end();
  });
}
