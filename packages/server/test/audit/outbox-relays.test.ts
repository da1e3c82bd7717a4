import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { requestContext, SCRAPE, timeBound, until } from '@muniment/testing';
import { startFaultProxy } from '../../../cluster/src/faults/fault-proxy.ts';
import { build, type TestServer } from '../build.ts';

const ID = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
async function scrape({ app }: TestServer, name: string): Promise<number> {
  const { body } = await app.inject(SCRAPE);
  return Number(
    new RegExp(`^${name}\\{source="user",service="user"\\} (\\S+)$`, 'm').exec(body)?.[1],
  );
}

async function recordThree(t: Test, server: TestServer): Promise<void> {
  for (let i = 0; i < 3; i += 1)
    await server.recordFor(requestContext(), { action: 'LOGIN_FAIL', subject: { userId: ID } });
  await server.rows(
    `update identity.outbox set created_at = now() - interval '90 seconds' where position = 1`,
  );
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
  t.equal((await server.app.inject(SCRAPE)).statusCode, 200);
  t.ok(Number.isNaN(await scrape(server, 'muniment_outbox_rows')));
  t.ok(Number.isNaN(await scrape(server, 'muniment_outbox_oldest_seconds')));
  t.match(
    (await server.app.inject(SCRAPE)).body,
    /^muniment_outbox_rows\{source="user",service="user"\} nan$/im,
    'as Prometheus reads it',
  );
  proxy.mode('pass');
  t.equal(await scrape(server, 'muniment_outbox_rows'), 3);
});

/** A server of the Kinesis protocol that answers every call alike, and counts them. */
async function streamThat(
  t: Test,
  answer: (response: ServerResponse) => void,
): Promise<{ server: TestServer; calls(): number; close(): void }> {
  let calls = 0;
  const stream = createServer((request, response) => {
    calls += 1;
    request.resume();
    answer(response);
  });
  t.teardown(() => stream.close());
  await once(stream.listen(0, '127.0.0.1'), 'listening');
  const server = await build(t, {
    settings: { KINESIS_ENDPOINT: `http://127.0.0.1:${(stream.address() as AddressInfo).port}` },
  });
  const close = (): void => {
    stream.close();
    stream.closeAllConnections();
  };
  return { server, calls: () => calls, close };
}

const streamState = async ({ app }: TestServer): Promise<unknown> =>
  (await app.inject('/health/ready')).json().dependencies.kinesis.status;

test('a stream that says it is asked too often is up', async (t) => {
  for (const name of [
    'LimitExceededException',
    'ProvisionedThroughputExceededException',
    'ThrottlingException',
  ]) {
    const { server } = await streamThat(t, (response) =>
      response
        .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
        .end(JSON.stringify({ __type: name, message: 'Rate exceeded' })),
    );
    t.equal(await streamState(server), 'up', name);
  }
  const { server } = await streamThat(t, (response) =>
    response
      .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
      .end(JSON.stringify({ __type: 'ResourceNotFoundException', message: 'no such stream' })),
  );
  t.equal(await streamState(server), 'down', 'one that does not exist is not');
});

test('a stream that is up is not asked again for seconds, one that is down is, and a relay that cannot send makes it be asked at once', async (t) => {
  const { server, calls, close } = await streamThat(t, (response) =>
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end('{}'),
  );
  for (let i = 0; i < 3; i += 1) {
    t.equal(await streamState(server), 'up');
    await sleep(520);
  }
  t.equal(calls(), 1);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  close();
  await server.recordFor(requestContext(), { action: 'LOGIN_FAIL', subject: { userId: ID } });
  await until(async () => (await streamState(server)) === 'down', { timeoutMs: timeBound(4_000) });
});
