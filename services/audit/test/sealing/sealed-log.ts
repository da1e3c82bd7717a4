import type { Kysely } from 'kysely';
import type { Test } from 'tap';
import type { AuditEvent } from '@muniment/audit-events';
import { sealedForm } from '@muniment/audit-events';
import { leafHash } from '@muniment/audit-verify';
import { acquireLease, createDatabase, type Lease } from '@muniment/database';
import { createTestDatabase, type TestDatabase } from '@muniment/testing';
import { insertEvents } from '../../event-store/event-queries.ts';
import { addReceived } from '../../event-store/lane-queries.ts';
import type { Tables } from '../../tables.ts';
import { anEvent } from '../records.ts';

export interface Log {
  database: TestDatabase;
  /** As `audit_service`. */
  db: Kysely<Tables>;
}

export async function openLog(t: Test): Promise<Log> {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  return { database, db };
}

/**
 * Stores events as the consumer does, without a shard. `missing` numbers are received without an
 * event.
 */
export async function store(
  db: Kysely<Tables>,
  events: readonly AuditEvent[],
  missing: readonly Pick<AuditEvent, 'source' | 'lane' | 'seq'>[] = [],
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    if (events.length > 0) await insertEvents(trx, events);
    await addReceived(trx, [...events, ...missing], []);
  });
}

/** Events of one lane with these numbers. */
export const inLane = (lane: number, seqs: readonly number[]): AuditEvent[] =>
  seqs.map((seq) => anEvent({ lane, seq }));

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

export async function sealerLease(
  db: Kysely<Tables>,
  holder = 'test',
  ttlMs = 60_000,
): Promise<Lease> {
  const lease = await acquireLease(db, { schema: 'audit', name: 'sealer', holder, ttlMs });
  if (!lease) throw new Error('the sealer has another holder');
  return lease;
}

export interface SealedEvent {
  index: number;
  id: string;
  source: string;
  lane: number;
  seq: number;
  record: string;
}

/** The log by index. */
export const readLog = (db: Kysely<Tables>): Promise<SealedEvent[]> =>
  db
    .selectFrom('audit.sealed as s')
    .innerJoin('audit.events as e', 'e.id', 's.event_id')
    .select(['s.index', 'e.id', 'e.source', 'e.lane', 'e.seq', 'e.record'])
    .orderBy('s.index')
    .execute();

/** The leaves as anybody computes them. */
export const leafHashes = (events: readonly AuditEvent[]): Buffer[] =>
  events.map((event) => leafHash(Buffer.from(sealedForm(event))));
