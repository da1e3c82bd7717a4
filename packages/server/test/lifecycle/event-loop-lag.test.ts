import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { test } from 'tap';
import { loadSharedSecret } from '@muniment/security';
import { build } from '../build.ts';
import { createApp } from '../../src/http/create-app.ts';
import { measureRequests } from '../../src/operations/metrics.ts';
import { reportHealth } from '../../src/operations/health.ts';
import { createDelaySampling, measureEventLoopLag } from '../../src/lifecycle/event-loop-lag.ts';

test('the delay is sampled from the first work on, and each scrape begins anew', async (t) => {
  const sampling = createDelaySampling(() => false);
  t.teardown(() => sampling.stop());
  const registry = new Registry();
  measureEventLoopLag(registry, sampling.open());
  const p99 = async (): Promise<number> =>
    Number(/p99_seconds ([\d.e+-]+)/.exec(await registry.metrics())?.[1]);
  await sleep(120);
  t.equal(await p99(), 0, 'at rest');
  sampling.start();
  await sleep(120);
  for (const end = performance.now() + 300; performance.now() < end;);
  await sleep(60);
  t.ok((await p99()) > 0.25);
  await sleep(200);
  t.ok((await p99()) < 0.25);
  sampling.stop();
  t.equal(await p99(), 0);
});

test('a request starts the sampling, and a probe or a scrape does not', async (t) => {
  const { config } = await build(t);
  const gatewaySecret = await loadSharedSecret(config.GATEWAY_SECRET_FILE);
  const app = createApp(config, { service: 'user', gatewaySecret });
  t.teardown(() => app.close());
  let starts = 0;
  const sampling = { ...createDelaySampling(() => true), start: () => void (starts += 1) };
  await measureRequests(app, { registry: new Registry(), tokenFile: undefined, sampling });
  reportHealth(app, { add() {} });
  await app.inject('/health/ready');
  await app.inject('/metrics');
  t.equal(starts, 0);
  await app.inject('/unknown');
  t.equal(starts, 1);
});
