import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { freePort, startFaultProxy } from '@muniment/cluster';
import { timeBound, until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects } from './effects.ts';
import { type FleetProcess, startFleet } from './fleet.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { findProcess } from './processes.ts';
import { openDatabase } from './stores.ts';

interface Readiness {
  status: string;
  dependencies: Record<string, { status: string; since: string }>;
}

test('a stream that is lost for ten seconds costs no event and doubles none', async (t) => {
  const kinesisPort = await freePort();
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: kinesisPort } });
  t.teardown(() => proxy.stop());
  const fleet = await startFleet(t, {
    DURABLE: 'off',
    KINESIS_PORT: String(kinesisPort),
    PROXY_KINESIS_PORT: String(proxy.port),
    RELAY_RESEND_AFTER_MS: '3000',
  });
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  const accounts = await Promise.all(Array.from({ length: 3 }, () => fleet.signUp()));
  const { processes } = await fleet.describe();
  const replicas = processes.filter(({ service }) => ['user', 'file', 'audit'].includes(service));
  const consumers = replicas.filter(({ service }) => service === 'audit');
  t.teardown(() => {
    for (const { pid } of consumers) signal(pid, 'SIGCONT');
  });
  const load = startLoad(fleet, { accounts, reads: ['profile', 'list', 'download'] });
  const readiness = async ({ port }: FleetProcess): Promise<{ code: number; body: Readiness }> => {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    return { code: answer.status, body: (await answer.json()) as Readiness };
  };

  // The consumers halt first, so the lost stream holds unread records.
  await sleep(500);
  for (const { pid } of consumers) signal(pid, 'SIGSTOP');
  await sleep(1_000);
  const began = performance.now();
  const beganAt = new Date().toISOString();
  proxy.mode('refuse');
  const kinesis = await findProcess(fleet, 'kinesis');
  signal(kinesis.pid, 'SIGSTOP');
  await rm(join(fleet.dataDir, 'kinesis'), { recursive: true });
  signal(kinesis.pid, 'SIGKILL');
  for (const { pid } of consumers) signal(pid, 'SIGCONT');
  const sent = await rows<{ sent: number }>(
    'select count(*)::int as sent from identity.outbox where seq is not null',
  );
  t.ok(
    (sent[0]?.sent ?? 0) > 0,
    `${sent[0]?.sent} records of the user service were lost with the stream`,
  );

  // The health check asks a healthy stream every ten seconds.
  await until(
    async () =>
      (await Promise.all(replicas.map(readiness))).every(
        ({ body }) => body.dependencies['kinesis']?.status === 'down',
      ),
    { what: 'every replica sees the stream down', timeoutMs: timeBound(13_000) },
  );
  for (const replica of replicas) {
    const { code, body } = await readiness(replica);
    t.equal(code, 200, `${replica.name} stays ready`);
    t.match(
      body,
      {
        status: 'ready',
        dependencies: { kinesis: { status: 'down' }, postgres: { status: 'up' } },
      },
      `${replica.name} names the stream`,
    );
    t.ok(
      (body.dependencies['kinesis']?.since ?? '') >= beganAt.slice(0, 19),
      `${replica.name} says since when`,
    );
  }
  // From here on the stream is silent instead of refusing.
  proxy.mode('blackhole');
  await sleep(Math.max(3_000, began + 10_000 - performance.now()));
  await until(() => load.ledger.writes.length > 100, { what: 'actions go on' });
  const waiting = await rows<{ rows: number }>('select count(*)::int as rows from identity.outbox');
  const during = load.ledger.writes.length;
  proxy.mode('pass');
  const ended = performance.now();
  await sleep(500);
  const ledger = await load.stop();

  t.comment(
    `${during} changes; ${waiting[0]?.rows} events of the user service waited at the end; ` +
      `slowest answer ${Math.round(ledger.slowest)} ms`,
  );
  t.ok(during > 100, 'actions went on');
  t.strictSame(ledger.strange, [], 'every request was answered as ever');
  t.strictSame(
    [...ledger.writes, ...ledger.reads].filter((action) => !isAcknowledged(action)),
    [],
    'and acknowledged',
  );
  await effectsAreRecorded(t, rows, ledger);
  t.comment(`the trail was complete ${Math.round(performance.now() - ended)} ms after the outage`);
  const downloads = ledger.reads.filter(({ kind }) => kind === 'download').length;
  t.strictSame(
    await rows(
      `select count(*)::int as downloads from audit.events where action = 'FILE_DOWNLOAD'`,
    ),
    [{ downloads }],
  );
  await until(
    async () =>
      (await Promise.all(replicas.map(readiness))).every(
        ({ body }) => body.dependencies['kinesis']?.status === 'up',
      ),
    { what: 'the stream is called up again', timeoutMs: timeBound(5_000) },
  );
});

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // The process ended meanwhile.
  }
}
