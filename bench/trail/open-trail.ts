import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { loadMasterKey } from '@muniment/master-key';
import type { Fleet } from '../../test/e2e/fleet.ts';

const SUBJECTS = 200;

/** The fleet's trail, as its producers and its owner see it. */
export interface Trail {
  /** As `user_service`. */
  producer: Kysely<unknown>;
  /** As superuser. */
  rows<Row>(query: ReturnType<typeof sql<Row>>): Promise<Row[]>;
  subjectKeys: ReturnType<typeof createSubjectKeys>;
  subjects: string[];
  close(): Promise<void>;
}

export async function openTrail(fleet: Fleet): Promise<Trail> {
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

/** What each event of a measurement says. */
export const CONTENT = {
  action: 'LOGIN_SUCCESS',
  personal: { email: 'ada@example.com', ip: '192.0.2.1', user_agent: 'bench' },
  request_id: 'bench',
  resource_type: 'user',
} as const;

export async function countSealed({ rows }: Trail): Promise<number> {
  return (await rows(sql<{ size: number }>`select size from audit.tree`))[0]?.size ?? 0;
}

export async function countStored({ rows }: Trail): Promise<number> {
  const query = sql<{ stored: number }>`select sum(watermark)::int8 as stored from audit.lanes`;
  return (await rows(query))[0]?.stored ?? 0;
}

/** Whether every event is stored and sealed. Cheap, because it is asked while work goes on. */
export async function isCaughtUp({ rows }: Trail): Promise<boolean> {
  const query = sql<{ done: boolean }>`
    select not exists (select from identity.outbox)
      and not exists (select from files.outbox)
      and not exists (select from audit.outbox)
      and not exists (select from app.outbox)
      and (select size from audit.tree) >= (select sum(watermark) from audit.lanes) as done`;
  return (await rows(query))[0]?.done ?? false;
}

export async function countActions({ rows }: Trail, action: string): Promise<number> {
  const query = sql<{ stored: number }>`
    select count(*)::int8 as stored from audit.events where action = ${action}`;
  return Number((await rows(query))[0]?.stored ?? 0);
}

export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? NaN;
