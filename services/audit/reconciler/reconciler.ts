import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { repeat, type BackgroundLoop } from '@muniment/server';
import {
  closeDifferences,
  countUnverifiable,
  insertDifferences,
  listOpenDifferences,
  moveReconciliation,
  readReconciliation,
} from './difference-queries.ts';
import type { Tables } from '../tables.ts';
import { findDifferences, findResolved } from './find-differences.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Younger rows and events may still be on their way. */
const SETTLED_MS = 60_000;
/** How far a round looks back behind the last one: a transaction may take long to commit. */
const OVERLAP_MS = 10 * 60_000;
/** A row from the future would otherwise never be compared. */
const AHEAD_MS = 5 * 60_000;
const PAUSE_BETWEEN_DAYS_MS = 20;
const PAGE = 1_000;

export interface ReconcilerOptions {
  /** As `audit_reconciler`. */
  db: Kysely<Tables>;
  /** As `audit_service`, for the lease. */
  leases: Kysely<Tables>;
  replica: string;
  log: LoopLogger;
  everyMs?: number;
  settledMs?: number;
  /** Differences that one statement reads. */
  page?: number;
}

export interface Reconciler extends BackgroundLoop {
  /** Compares what changed since the last round. */
  compareRecent(): Promise<void>;
  /** Compares everything that the log still holds. */
  sweep(): Promise<void>;
}

type Parts = Required<Pick<ReconcilerOptions, 'db' | 'log' | 'page'>>;

async function compare({ db, log, page }: Parts, span: { from: Date; to: Date }): Promise<void> {
  for await (const found of findDifferences(db, span, page)) {
    for (const difference of await insertDifferences(db, found))
      log.warn(difference, 'a difference between the trail and what it is about');
  }
}

async function closeResolved({ db, log, page }: Parts): Promise<void> {
  const resolved = await findResolved(db, await listOpenDifferences(db, page), page);
  for (const difference of await closeDifferences(db, resolved))
    log.info(difference, 'a difference is mended');
}

/**
 * Compares the business rows with the trail, both ways, trusting neither. Each row needs the event
 * of its creation and of each change. Each event needs its row, or the event of the row's end.
 */
export function createReconciler({
  db,
  leases,
  replica,
  log,
  everyMs = 60_000,
  settledMs = SETTLED_MS,
  page = PAGE,
}: ReconcilerOptions): Reconciler {
  const stopping = new AbortController();
  const parts = { db, log, page };
  const lease = { schema: 'audit', name: 'reconciler', holder: replica, ttlMs: everyMs * 3 };

  async function compareRecent(): Promise<void> {
    const { checked_until: before } = await readReconciliation(db);
    const to = new Date(Date.now() - settledMs);
    const from = new Date(Math.min(before?.getTime() ?? Infinity, to.getTime()) - OVERLAP_MS);
    // After a long stop the sweep compares the rest.
    await compare(parts, { from: new Date(Math.max(from.getTime(), to.getTime() - DAY_MS)), to });
    await closeResolved(parts);
    await moveReconciliation(db, { checkedUntil: to });
  }

  async function sweep(): Promise<void> {
    const { horizon } = await readReconciliation(db);
    const end = Date.now() - settledMs;
    for (let at = horizon?.getTime() ?? end; at < end && !stopping.signal.aborted; at += DAY_MS) {
      await compare(parts, { from: new Date(at), to: new Date(Math.min(at + DAY_MS, end)) });
      await sleep(PAUSE_BETWEEN_DAYS_MS);
    }
    if (stopping.signal.aborted) return;
    await compare(parts, {
      from: new Date(end + settledMs + AHEAD_MS),
      to: new Date(8.64e15 / 10),
    });
    if (horizon) await countUnverifiable(db, horizon);
    await moveReconciliation(db, { sweptAt: new Date() });
  }

  async function round(): Promise<void> {
    if (!(await acquireLease(leases, lease))) return;
    await compareRecent();
    const { swept_at: sweptAt } = await readReconciliation(db);
    if (!sweptAt || Date.now() - sweptAt.getTime() > DAY_MS) await sweep();
  }

  const loop = repeat('reconciler', everyMs, round, (error) =>
    log.warn({ err: error }, 'the trail could not be reconciled; it is tried again'),
  );
  return {
    name: loop.name,
    start: loop.start,
    async stop() {
      stopping.abort();
      await loop.stop();
    },
    compareRecent,
    sweep,
  };
}
