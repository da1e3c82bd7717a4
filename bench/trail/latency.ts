import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { createEventRecorder } from '@muniment/audit-events';
import type { Measurement } from '../report.ts';
import { CONTENT, percentile, type Trail } from './open-trail.ts';

const EVENTS_PER_SECOND = 500;
const SECONDS = 12;
const EVENTS = EVENTS_PER_SECOND * SECONDS;
/** One event in so many is watched, so that watching stays cheap. */
const WATCH_EVERY = 5;

/** Watches events until they are sealed. `finish` resolves when all of them are. */
function watchSealing(trail: Trail) {
  const pending = new Map<string, number>();
  const waitsMs: number[] = [];
  let isOver = false;
  const findSealed = (): Promise<{ id: string }[]> =>
    trail.rows(sql<{ id: string }>`
      select event_id as id from audit.sealed where event_id = any(${[...pending.keys()]}::uuid[])`);
  async function watch(): Promise<void> {
    while (!isOver || pending.size > 0) {
      for (const { id } of pending.size === 0 ? [] : await findSealed()) {
        waitsMs.push(performance.now() - (pending.get(id) ?? NaN));
        pending.delete(id);
      }
      await sleep(10);
    }
  }
  const watching = watch();
  return {
    add: (id: string) => pending.set(id, performance.now()),
    async finish(): Promise<readonly number[]> {
      isOver = true;
      await watching;
      return waitsMs;
    },
  };
}

/** Measures from an event's commit to its place in the log, where lists show it. */
export async function measureLatency(trail: Trail): Promise<Measurement[]> {
  const { producer, subjects, subjectKeys } = trail;
  const record = createEventRecorder({ source: 'user', schema: 'identity', subjectKeys });
  const watch = watchSealing(trail);
  const startedAt = performance.now();
  const running = new Set<Promise<void>>();
  for (let n = 0; n < EVENTS; n += 1) {
    const due = startedAt + (n * 1_000) / EVENTS_PER_SECOND;
    await sleep(Math.max(0, due - performance.now()));
    const userId = subjects[n % subjects.length] ?? '';
    const event = { ...CONTENT, user_id: userId, subject: { userId }, resource: userId };
    const write = record(producer, event).then((id) => {
      if (n % WATCH_EVERY === 0) watch.add(id);
    });
    running.add(write);
    void write.finally(() => running.delete(write));
  }
  await Promise.all(running);
  const rate = EVENTS / ((performance.now() - startedAt) / 1_000);
  const waitsMs = await watch.finish();
  const beside = `at ${rate.toFixed(0)} events/s, each a transaction of its own`;
  return [
    {
      what: 'commit to queryable, p50',
      value: percentile(waitsMs, 0.5),
      unit: 'ms',
      goal: { atMost: 300 },
      beside,
    },
    {
      what: 'commit to queryable, p99',
      value: percentile(waitsMs, 0.99),
      unit: 'ms',
      goal: { atMost: 1_500 },
      beside,
    },
  ];
}
