import { test, type Test } from 'tap';
import { startFaultProxy } from '../../cluster/src/fault-proxy.ts';
import { build, type TestServer } from './build.ts';

const ID = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
const REQUEST = { id: 'f'.repeat(32), ip: '203.0.113.9', headers: {}, principal: null, traceparent: null };

async function scrape({ app }: TestServer, name: string): Promise<number> {
  const { body } = await app.inject('/metrics');
  return Number(new RegExp(`^${name}\\{service="user"\\} (\\S+)$`, 'm').exec(body)?.[1]);
}

async function recordThree(t: Test, server: TestServer): Promise<void> {
  for (let i = 0; i < 3; i += 1) await server.recordFor(REQUEST, { action: 'LOGIN_FAIL', subject: { userId: ID } });
  await server.rows(`update identity.outbox set created_at = now() - interval '90 seconds' where position = 1`);
  t.equal((await server.events()).length, 3);
}

test('the backlog of the trail and its age are those of the scrape, not of the one before', async (t) => {
  const server = await build(t);
  t.equal(await scrape(server, 'muniment_outbox_oldest_seconds'), 0);
  await recordThree(t, server);
  const oldest = await scrape(server, 'muniment_outbox_oldest_seconds');
  t.ok(oldest >= 90 && oldest < 100, String(oldest));
  t.equal(await scrape(server, 'muniment_outbox_rows'), 3);
  await server.rows('delete from identity.outbox');
  t.equal(await scrape(server, 'muniment_outbox_oldest_seconds'), 0);
  t.equal(await scrape(server, 'muniment_outbox_rows'), 0);
});

test('a replica that does not carry the outbox says so', async (t) => {
  t.equal(await scrape(await build(t), 'muniment_relay_leading'), 0);
});

test('a scrape works while the database is away, with no value where there is none', async (t) => {
  const { hostname, port } = new URL(process.env.TEST_POSTGRES_URL ?? '');
  const proxy = await startFaultProxy({ target: { host: hostname, port: Number(port) } });
  t.teardown(() => proxy.stop());
  const server = await build(t, { databasePort: proxy.port });
  await recordThree(t, server);
  t.equal(await scrape(server, 'muniment_outbox_rows'), 3);
  proxy.mode('refuse');
  t.equal((await server.app.inject('/metrics')).statusCode, 200);
  t.ok(Number.isNaN(await scrape(server, 'muniment_outbox_rows')));
  t.ok(Number.isNaN(await scrape(server, 'muniment_outbox_oldest_seconds')));
  t.match((await server.app.inject('/metrics')).body, /^muniment_outbox_rows\{service="user"\} nan$/im, 'as Prometheus reads it');
  proxy.mode('pass');
  t.equal(await scrape(server, 'muniment_outbox_rows'), 3);
});
