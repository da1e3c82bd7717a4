import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
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
  type Difference,
} from './difference-queries.ts';
import type { Tables } from '../tables.ts';
import { CHECKS, type Check, type Scope } from './checks.ts';

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

/** The next differing ids, in order. */
async function findNext(
  db: Kysely<Tables>,
  check: Check,
  scope: Scope,
  limit: number,
  after = '',
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from (${check.find(scope)}) as found where id > ${after} order by id limit ${limit}`.execute(
    db,
  );
  return rows.map(({ id }) => id);
}

/**
 * Page by page all that differs: a thousand uploads that took hours must not hide the one file that nobody uploaded. A first look goes by time, which is
 * cheap; what it finds is looked at again with all events, however far from its row one may be.
 */
async function* differences(
  db: Kysely<Tables>,
  scope: { from: Date; to: Date },
  page: number,
): AsyncGenerator<Difference[]> {
  for (const check of CHECKS) {
    let candidates: string[] = [];
    do {
      candidates = await findNext(db, check, scope, page, candidates.at(-1));
      const ids =
        candidates.length === 0 ? [] : await findNext(db, check, { ids: candidates }, page);
      yield ids.map((id) => ({ kind: check.kind, row_type: check.rowType, row_id: id }));
    } while (candidates.length === page);
  }
}

/**
 * Compares the business rows with the trail, both ways: each user, session and file has the event of its birth, each change one of its own, and
 * each such event its row or the event of its end. It trusts neither side, and reads only ids and times.
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

  async function compare(scope: { from: Date; to: Date }): Promise<void> {
    for await (const found of differences(db, scope, page)) {
      for (const difference of await insertDifferences(db, found))
        log.warn(difference, 'a difference between the trail and what it is about');
    }
  }

  /** Closes differences that are gone: an event may come late, and a row may be repaired. */
  async function review(): Promise<void> {
    const open = await listOpenDifferences(db, page);
    const mended: Difference[] = [];
    for (const check of CHECKS) {
      const own = open.filter(
        ({ kind, row_type: type }) => kind === check.kind && type === check.rowType,
      );
      if (own.length === 0) continue;
      const others = CHECKS.filter(
        (one) => one.kind === check.kind && one.rowType === check.rowType,
      );
      if (others[0] !== check) continue;
      const scope = { ids: own.map(({ row_id: id }) => id) };
      const still = new Set(
        (await Promise.all(others.map((one) => findNext(db, one, scope, page)))).flat(),
      );
      mended.push(...own.filter(({ row_id: id }) => !still.has(id)));
    }
    for (const difference of await closeDifferences(db, mended))
      log.info(difference, 'a difference is mended');
  }

  async function compareRecent(): Promise<void> {
    const { checked_until: before } = await readReconciliation(db);
    const to = new Date(Date.now() - settledMs);
    const from = new Date(Math.min(before?.getTime() ?? Infinity, to.getTime()) - OVERLAP_MS);
    // After a long stop the sweep compares the rest.
    await compare({ from: new Date(Math.max(from.getTime(), to.getTime() - DAY_MS)), to });
    await review();
    await moveReconciliation(db, { checkedUntil: to });
  }

  async function sweep(): Promise<void> {
    const { horizon } = await readReconciliation(db);
    const end = Date.now() - settledMs;
    for (let at = horizon?.getTime() ?? end; at < end && !stopping.signal.aborted; at += DAY_MS) {
      await compare({ from: new Date(at), to: new Date(Math.min(at + DAY_MS, end)) });
      await sleep(PAUSE_BETWEEN_DAYS_MS);
    }
    if (stopping.signal.aborted) return;
    await compare({ from: new Date(end + settledMs + AHEAD_MS), to: new Date(8.64e15 / 10) });
    if (horizon) await countUnverifiable(db, horizon);
    await moveReconciliation(db, { sweptAt: new Date() });
  }

  async function round(): Promise<void> {
    if (!(await acquireLease(leases, 'audit', 'reconciler', replica, everyMs * 3))) return;
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
