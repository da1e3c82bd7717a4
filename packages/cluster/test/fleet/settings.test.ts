import path from 'node:path';
import { test } from 'tap';
import { ROOT, dataFolder, readSettings } from '../../src/fleet/settings.ts';

test('by default there are two replicas on 8080 and 8443, with limits and fsync, in .data', (t) => {
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
    services: {},
  });
  t.equal(dataFolder({ DATA: '/somewhere else' }), '/somewhere else');
  t.match(readSettings({ S3_PORT: '7001', PROXY_POSTGRES_PORT: '7002' }), {
    fixedPorts: { s3: 7001 },
    proxyPorts: { postgres: 7002 },
  });
  t.end();
});

test("the services' settings are passed on, except those that the plan sets itself", (t) => {
  const { services } = readSettings({
    PATH: '/usr/bin',
    PORT: '9000',
    LOG_LEVEL: 'debug',
    ACCESS_TOKEN_TTL_S: '60',
    CORS_ORIGINS: '',
    DATABASE_URL: 'postgres://production.example/muniment',
    DATABASE_DIRECT_URL: 'postgres://production.example/muniment',
    AUDIT_RETENTION_DATABASE_URL: 'postgres://production.example/muniment',
    AWS_ACCESS_KEY_ID: 'production',
    S3_ENDPOINT: 'https://production.example',
    MASTER_KEY_FILE: '/production.key',
  });
  t.strictSame(services, { ACCESS_TOKEN_TTL_S: '60', LOG_LEVEL: 'debug' });
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
      message: new RegExp(`^${name}=${value} is invalid\\. Set (it to on or off|a whole number)`),
    });
    t.end();
  });
}
