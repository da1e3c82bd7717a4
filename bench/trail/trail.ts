import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import {
  composeEvent,
  createEventPreparer,
  createEventRecorder,
  createSubjectKeys,
  insertOutboxRows,
} from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { loadMasterKey } from '@muniment/master-key';
import { createTransactions } from '../../packages/server/src/audit/transactions.ts';
import type { Fleet } from '../../test/e2e/fleet.ts';
import { cpuMs } from '../processes.ts';
import type { Measurement } from '../report.ts';

const SUBJECTS = 200;
const BACKLOG = 40_000;
const RATE = 500;
const SECONDS = 12;
const UPDATES = 300;

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? NaN;

interface Trail {
  /** As `user_service`. */
  producer: Kysely<unknown>;
  /** As superuser. */
  rows<Row>(query: ReturnType<typeof sql<Row>>): Promise<Row[]>;
  subjectKeys: ReturnType<typeof createSubjectKeys>;
  subjects: string[];
  close(): Promise<void>;
}

async function open(fleet: Fleet): Promise<Trail> {
  const {
    environments: { user },
    postgres,
  } = await fleet.describe();
  const { db: producer } = createDatabase<unknown>({
    url: user.DATABASE_URL ?? '',
    applicationName: 'bench',
    poolMax: 8,
  });
  const { db } = createDatabase<unknown>({
    url: postgres.url,
    applicationName: 'bench',
    poolMax: 2,
    statementTimeoutMs: 60_000,
  });
  const subjectKeys = createSubjectKeys(await loadMasterKey(user.MASTER_KEY_FILE ?? ''));
  return {
    producer,
    subjectKeys,
    rows: async (query) => (await query.execute(db)).rows,
    subjects: Array.from({ length: SUBJECTS }, () => randomUUID()),
    async close() {
      await Promise.all([producer.destroy(), db.destroy()]);
    },
  };
}

const content = {
  action: 'LOGIN_SUCCESS',
  personal: { email: 'ada@example.com', ip: '192.0.2.1', user_agent: 'bench' },
  request_id: 'bench',
  resource_type: 'user',
} as const;
const sealedCount = async ({ rows }: Trail): Promise<number> =>
  (await rows(sql<{ size: number }>`select size from audit.tree`))[0]?.size ?? 0;
const storedCount = async ({ rows }: Trail): Promise<number> =>
  (await rows(sql<{ stored: number }>`select sum(watermark)::int8 as stored from audit.lanes`))[0]
    ?.stored ?? 0;

/** An outbox with a backlog, from its first event stored to its last; with the CPU that each process used, since the busiest is the limit. */
async function measureBacklog(fleet: Fleet, trail: Trail): Promise<Measurement[]> {
  const { processes } = await fleet.describe();
  const keys = await Promise.all(
    trail.subjects.map((userId) => trail.subjectKeys.forSubject(trail.producer, { userId })),
  );
  const before = await storedCount(trail);
  const groups = Map.groupBy(processes, ({ service }) => service);
  const cpu = async () =>
    new Map(
      await Promise.all(
        [...groups].map(async ([service, own]) => [service, await cpuMs(own)] as const),
      ),
    );
  for (let written = 0; written < BACKLOG; written += 2_000) {
    await insertOutboxRows(
      trail.producer,
      'identity',
      Array.from({ length: 2_000 }, (_, n) => {
        const userId = trail.subjects[n % SUBJECTS] ?? '';
        return composeEvent({
          ...content,
          source: 'user',
          user_id: userId,
          resource: userId,
          laneSubject: userId,
          key: keys[n % SUBJECTS],
          now: new Date(),
        });
      }),
    );
  }
  const [from, cpuBefore, startedAt] = [
    (await storedCount(trail)) - before,
    await cpu(),
    performance.now(),
  ];
  while ((await storedCount(trail)) - before < BACKLOG) await sleep(50);
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = [...(await cpu())]
    .map(
      ([service, ms]) => [service, (ms - (cpuBefore.get(service) ?? 0)) / seconds / 1_000] as const,
    )
    .filter(([, cores]) => cores > 0.05)
    .toSorted((a, b) => b[1] - a[1]);
  return [
    {
      what: 'relay + consumer, a backlog',
      value: (BACKLOG - from) / seconds,
      unit: 'events/s',
      goal: { atLeast: 5_000 },
      beside: `cores: ${used.map(([service, cores]) => `${service} ${cores.toFixed(2)}`).join(', ')}`,
    },
  ];
}

/** From an event's commit to its place in the log, where lists show it. */
async function measureLatency(trail: Trail): Promise<Measurement[]> {
  const record = createEventRecorder({
    source: 'user',
    schema: 'identity',
    subjectKeys: trail.subjectKeys,
  });
  const waiting = new Map<string, number>();
  const waits: number[] = [];
  let isOver = false;
  const watching = (async () => {
    while (!isOver || waiting.size > 0) {
      const found =
        waiting.size === 0
          ? []
          : await trail.rows(
              sql<{
                id: string;
              }>`select event_id as id from audit.sealed where event_id = any(${[...waiting.keys()]}::uuid[])`,
            );
      for (const { id } of found) {
        waits.push(performance.now() - (waiting.get(id) ?? NaN));
        waiting.delete(id);
      }
      await sleep(10);
    }
  })();
  const startedAt = performance.now();
  const running = new Set<Promise<void>>();
  for (let n = 0; n < RATE * SECONDS; n += 1) {
    const due = startedAt + (n * 1_000) / RATE;
    await sleep(Math.max(0, due - performance.now()));
    const userId = trail.subjects[n % SUBJECTS] ?? '';
    const write = record(trail.producer, {
      ...content,
      user_id: userId,
      subject: { userId },
      resource: userId,
    }).then((id) => {
      if (n % 5 === 0) waiting.set(id, performance.now());
    });
    running.add(write);
    void write.finally(() => running.delete(write));
  }
  await Promise.all(running);
  const rate = (RATE * SECONDS) / ((performance.now() - startedAt) / 1_000);
  isOver = true;
  await watching;
  const beside = `at ${rate.toFixed(0)} events/s, each a transaction of its own`;
  return [
    {
      what: 'commit to queryable, p50',
      value: percentile(waits, 0.5),
      unit: 'ms',
      goal: { atMost: 300 },
      beside,
    },
    {
      what: 'commit to queryable, p99',
      value: percentile(waits, 0.99),
      unit: 'ms',
      goal: { atMost: 1_500 },
      beside,
    },
  ];
}

/** What of a profile update is its event: the same transaction with and without it, in turns, beside the whole request. */
async function measureShare(fleet: Fleet, trail: Trail): Promise<Measurement[]> {
  const { user, token } = await fleet.signUp();
  const prepareEvent = createEventPreparer({ source: 'user', subjectKeys: trail.subjectKeys });
  const { inTransaction } = createTransactions(trail.producer, {
    revalidatePrincipal: async () => undefined,
    schema: 'identity',
    prepareEvent,
    onCommit: () => {},
  });
  const context = {
    id: 'bench',
    ip: '192.0.2.1',
    headers: { 'user-agent': 'bench' },
    principal: null,
    traceparent: null,
  };
  const times = { with: [] as number[], without: [] as number[], request: [] as number[] };
  const timed = async (into: number[], work: () => Promise<unknown>): Promise<void> => {
    const startedAt = performance.now();
    await work();
    into.push(performance.now() - startedAt);
  };
  const rename = (trx: Kysely<unknown>) =>
    sql`update identity.users set name = ${randomUUID()}, updated = now() where id = ${user.id} returning *`.execute(
      trx,
    );
  const update = (withEvent: boolean) =>
    withEvent
      ? inTransaction(context, async (trx, record) => {
          await rename(trx);
          return record({
            action: 'USER_UPDATED',
            user_id: user.id,
            subject: { userId: user.id },
            personal: { email: 'ada@example.com' },
            resource: user.id,
            resource_type: 'user',
          });
        })
      : trail.producer.transaction().execute(rename);
  for (let n = 0; n < UPDATES; n += 1) {
    await timed(times.with, () => update(true));
    await timed(times.without, () => update(false));
    await timed(times.request, async () => {
      const answer = await fleet.call('PATCH', '/api/users/me', {
        token,
        json: { name: `name ${n}` },
      });
      if (answer.status !== 200) throw new Error(`a profile update answered ${answer.status}`);
      await answer.arrayBuffer();
    });
  }
  const [withEvent, without, request] = [times.with, times.without, times.request].map((all) =>
    percentile(all, 0.5),
  ) as [number, number, number];
  const added = withEvent - without;
  return [
    {
      what: 'an event adds to a profile update',
      value: (100 * added) / (request - added),
      unit: '%',
      goal: { atMost: 15 },
      beside: `${added.toFixed(2)} ms of ${request.toFixed(2)} ms (p50, one at a time)`,
    },
  ];
}

/** The way of an event from its commit into the log. */
export async function measureTrail(fleet: Fleet): Promise<Measurement[]> {
  const trail = await open(fleet);
  try {
    const settled = async (): Promise<void> => {
      while ((await sealedCount(trail)) < (await storedCount(trail))) await sleep(100);
    };
    const share = await measureShare(fleet, trail);
    await settled();
    const latency = await measureLatency(trail);
    await settled();
    return [...(await measureBacklog(fleet, trail)), ...latency, ...share];
  } finally {
    await trail.close();
  }
}
