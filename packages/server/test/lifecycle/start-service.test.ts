import { createServer } from 'node:net';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startProbe } from './start-probe.ts';

/** Over a connection that is kept, as the gateway's are. */
async function request(url: string, agent: Agent): Promise<{ status: number; body: string }> {
  const call = get(url, { agent });
  const [response] = await once(call, 'response');
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body };
}

test('told to stop, it turns unready, answers what is in flight, stops its loops and ends with 0', async (t) => {
  const service = await startProbe(t, { SHUTDOWN_DELAY_MS: '800' });
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  t.equal((await request(`${service.url}/health/ready`, agent)).status, 200);
  const slow = request(`${service.url}/slow`, new Agent());
  await until(() => service.output().includes('slow begins'));
  service.process.kill('SIGTERM');
  await until(async () => (await request(`${service.url}/health/ready`, agent)).status === 503, {
    timeoutMs: timeBound(700),
  });
  t.equal(
    (await request(`${service.url}/health/live`, agent)).status,
    200,
    'alive while it drains',
  );
  t.strictSame(await slow, { status: 200, body: '{"answered":true}' });
  t.equal(await service.exit, 0);
  const output = service.output();
  t.ok(
    output.includes('loop stopped') &&
      output.indexOf('loop stopped') < output.indexOf('"msg":"stopped"'),
    output,
  );
});

test('after the delay nobody new is let in, while a request in flight is still answered', async (t) => {
  const service = await startProbe(t);
  const slow = request(`${service.url}/slow`, new Agent());
  await until(() => service.output().includes('slow begins'));
  service.process.kill('SIGINT');
  await until(
    async () =>
      request(`${service.url}/health/live`, new Agent()).then(
        () => false,
        (error) => error.code === 'ECONNREFUSED',
      ),
    { timeoutMs: timeBound(1_000) },
  );
  t.equal((await slow).status, 200);
  t.equal(await service.exit, 0);
});

test('a second signal changes nothing', async (t) => {
  const service = await startProbe(t);
  const slow = request(`${service.url}/slow`, new Agent());
  await until(() => service.output().includes('slow begins'));
  service.process.kill('SIGTERM');
  // Two at once would arrive as one.
  await until(() => service.output().includes('stopping'));
  service.process.kill('SIGTERM');
  t.equal((await slow).status, 200);
  t.equal(await service.exit, 0);
});

test('a request that never ends is given the time-out, then the process ends with 1', async (t) => {
  const service = await startProbe(t, { SHUTDOWN_TIMEOUT_MS: '700' });
  request(`${service.url}/stuck`, new Agent()).catch(() => {});
  await until(() => service.output().includes('stuck begins'));
  const stopped = performance.now();
  service.process.kill('SIGTERM');
  t.equal(await service.exit, 1);
  const ms = performance.now() - stopped;
  t.ok(ms >= 650 && ms < timeBound(3_000), `${ms} ms`);
  t.match(service.output(), 'the stop took too long');
});

test('an error that nobody caught ends the process with 1, and is logged', async (t) => {
  for (const [path, message] of [
    ['/throw', 'nobody catches this'],
    ['/reject', 'nobody awaits this'],
  ] as const) {
    const service = await startProbe(t);
    await request(`${service.url}${path}`, new Agent()).catch(() => {});
    t.equal(await service.exit, 1);
    t.match(service.output(), message);
    t.match(service.output(), 'uncaught error');
  }
});

test('a port in use keeps it from starting, and it says which', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.teardown(() => holder.close());
  const address = holder.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const service = await startProbe(t, { PORT: port });
  t.equal(await service.exit, 1);
  t.match(service.output(), `cannot listen on 127.0.0.1:${port}`);
});

test('a setting that is missing, or a database that is away, keeps it from starting, without showing a secret', async (t) => {
  const unset = await startProbe(t, { MASTER_KEY_FILE: undefined });
  t.equal(await unset.exit, 1);
  t.match(unset.output(), /cannot start: .*MASTER_KEY_FILE/);
  const away = await startProbe(t, {
    MASTER_KEY_FILE: '/nowhere/master.key',
    DATABASE_URL: 'postgres://user_service:hunter2@127.0.0.1:9/muniment',
  });
  t.equal(await away.exit, 1);
  t.match(away.output(), 'cannot start');
  t.notMatch(unset.output() + away.output(), 'hunter2');
});

test('a stop while the service loads or is built ends it at once', async (t) => {
  for (const phase of ['loading', 'building']) {
    const service = await startProbe(t, { BUILD_MS: '20000' }, phase);
    const stopped = performance.now();
    service.process.kill('SIGTERM');
    t.equal(await service.exit, 0, `${phase}: it ends by itself`);
    t.ok(performance.now() - stopped < timeBound(2_000), `${phase}: and soon`);
    t.notMatch(service.output(), 'url=', `${phase}: it never listens`);
  }
});
