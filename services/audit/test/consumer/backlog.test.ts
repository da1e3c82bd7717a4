import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { sql } from 'kysely';
import { test } from 'tap';
import { canonicalJson } from '@muniment/audit-events';
import { freePort } from '@muniment/cluster';
import { serviceEnvironment, timeBound, until } from '@muniment/testing';
import { STREAM, startParts } from '../parts.ts';
import { anEvent, asSent } from '../records.ts';

const EVENTS = 40_000;
const BATCH = 500;

/** Resident memory in MiB. */
const rssOf = async (pid: number): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

test('a backlog is caught up at full speed, in memory that does not grow with it', async (t) => {
  const parts = await startParts(t, { shards: 2, kinesisPath: join(t.testdir(), 'stream') });
  for (let batch = 0; batch < EVENTS / BATCH; batch += 1) {
    const events = Array.from({ length: BATCH }, (_, n) => {
      const number = batch * BATCH + n;
      return anEvent({
        lane: number % 16,
        seq: Math.floor(number / 16) + 1,
        metadata: { filler: 'x'.repeat(500) },
      });
    });
    await asSent(parts.producer, events);
    await parts.client.send(
      new PutRecordsCommand({
        StreamName: STREAM,
        Records: events.map((event) => ({
          Data: Buffer.from(canonicalJson(event)),
          PartitionKey: `user/${event.lane}`,
        })),
      }),
    );
  }
  const file = async (name: string, text: string) => {
    await writeFile(join(t.testdirName, name), text);
    return join(t.testdirName, name);
  };
  const port = await freePort();
  const replica = spawn(
    process.execPath,
    ['--max-semi-space-size=4', join(import.meta.dirname, '../../server.ts')],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH,
        ...(await serviceEnvironment(t, {
          databaseUrl: parts.database.url('audit_service'),
          masterKey: parts.masterKeyText,
        })),
        PORT: String(port),
        REPLICA: 'late',
        AUDIT_KEY_FILE: await file('audit-key', parts.auditKey.signingKey),
        KINESIS_ENDPOINT: parts.kinesis.endpoint,
        KINESIS_STREAM: STREAM,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
      },
    },
  );
  t.teardown(async () => {
    if (replica.exitCode !== null || replica.signalCode !== null) return;
    replica.kill('SIGKILL');
    await once(replica, 'exit');
  });
  const stored = async () =>
    Number(
      (
        await sql<{
          rows: number;
        }>`select coalesce(sum(watermark), 0) as rows from audit.lanes`.execute(parts.db)
      ).rows[0]?.rows,
    );
  await until(async () => (await stored()) > 2_000, { timeoutMs: 60_000 });
  const startedAt = performance.now();
  const from = await stored();
  const sizes: number[] = [];
  await until(
    async () => {
      sizes.push(await rssOf(replica.pid ?? 0));
      return (await stored()) === EVENTS;
    },
    { timeoutMs: 120_000 },
  );
  const rate = (EVENTS - from) / ((performance.now() - startedAt) / 1_000);
  const [early, late] = [
    Math.max(...sizes.slice(0, Math.ceil(sizes.length / 3))),
    Math.max(...sizes.slice(-Math.ceil(sizes.length / 3))),
  ];
  t.comment(
    `${Math.round(rate)} events/s; at most ${Math.round(early)} MiB in the first third, ` +
      `${Math.round(late)} in the last`,
  );
  t.ok(Math.max(...sizes) < 420, `${Math.round(Math.max(...sizes))} MiB`);
  t.ok(late - early < 60, `grew by ${Math.round(late - early)} MiB`);
  // A fifth of the goal, since tests share two cores. The bench measures the goal itself.
  t.ok(rate > timeBound(1_000, 100), `${Math.round(rate)} events/s`);
  const { rows } = await sql<{
    events: number;
  }>`select count(*) as events from audit.events`.execute(parts.db);
  t.equal(rows[0]?.events, EVENTS);
});
