import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { repeat, type BackgroundLoop } from '@muniment/server';
import { closeDifferences, countUnverifiable, insertDifferences, listOpenDifferences, moveReconciliation, readReconciliation, type Difference } from '../queries/differences.ts';
import type { Tables } from '../tables.ts';
import { CHECKS, type Check, type Scope } from './checks.ts';

const DAY_MS = 24 * 60 * 60_000;
/** What is younger may be on its way. */
const SETTLED_MS = 60_000;
/** How far a round looks back behind the round before: a transaction may take a while from its start to its commit. */
const OVERLAP_MS = 10 * 60_000;
/** A row from the future would never be looked at. */
const AHEAD_MS = 5 * 60_000;
const PAUSE_BETWEEN_DAYS_MS = 20;
const MAX_FOUND = 1_000;

export interface ReconcilerOptions {
  /** As `audit_reconciler`. */
  db: Kysely<Tables>;
  /** As `audit_service`, for the lease. */
  leases: Kysely<Tables>;
  replica: string;
  log: LoopLogger;
  everyMs?: number;
  settledMs?: number;
}

export interface Reconciler extends BackgroundLoop {
  /** Looks at what changed since the last round. */
  look(): Promise<void>;
  /** Looks at everything that the log still holds. */
  sweep(): Promise<void>;
}

async function findAll(db: Kysely<Tables>, check: Check, scope: Scope): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`${check.find(scope)} limit ${MAX_FOUND}`.execute(db);
  return rows.map(({ id }) => id);
}

/** A first look goes by time, which is cheap; what it finds is looked at again with all events, however far from its row one may be. */
async function differences(db: Kysely<Tables>, scope: Scope): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const check of CHECKS) {
    const candidates = await findAll(db, check, scope);
    const ids = candidates.length === 0 || 'ids' in scope ? candidates : await findAll(db, check, { ids: candidates });
    found.push(...ids.map((id) => ({ kind: check.kind, row_type: check.rowType, row_id: id })));
  }
  return found;
}

/**
 * Compares the business rows with the trail, both ways: each user, session and file has the event of its birth, each change one of its own, and
 * each such event its row or the event of its end. It trusts neither side, and reads only ids and times.
 */
export function createReconciler({ db, leases, replica, log, everyMs = 60_000, settledMs = SETTLED_MS }: ReconcilerOptions): Reconciler {
  const stopping = new AbortController();

  async function report(found: readonly Difference[]): Promise<void> {
    for (const difference of await insertDifferences(db, found)) log.warn(difference, 'a difference between the trail and what it is about');
  }

  /** An event may come late, and a difference may be mended. */
  async function review(): Promise<void> {
    const open = await listOpenDifferences(db, MAX_FOUND);
    const mended: Difference[] = [];
    for (const check of CHECKS) {
      const own = open.filter(({ kind, row_type: type }) => kind === check.kind && type === check.rowType);
      if (own.length === 0) continue;
      const others = CHECKS.filter((one) => one.kind === check.kind && one.rowType === check.rowType);
      if (others[0] !== check) continue;
      const scope = { ids: own.map(({ row_id: id }) => id) };
      const still = new Set((await Promise.all(others.map((one) => findAll(db, one, scope)))).flat());
      mended.push(...own.filter(({ row_id: id }) => !still.has(id)));
    }
    for (const difference of await closeDifferences(db, mended)) log.info(difference, 'a difference is mended');
  }

  async function look(): Promise<void> {
    const { checked_until: before } = await readReconciliation(db);
    const to = new Date(Date.now() - settledMs);
    const from = new Date(Math.min(before?.getTime() ?? Infinity, to.getTime()) - OVERLAP_MS);
    // After a long stop the sweep does the rest.
    await report(await differences(db, { from: new Date(Math.max(from.getTime(), to.getTime() - DAY_MS)), to }));
    await review();
    await moveReconciliation(db, { checkedUntil: to });
  }

  async function sweep(): Promise<void> {
    const { horizon } = await readReconciliation(db);
    const end = Date.now() - settledMs;
    for (let at = horizon?.getTime() ?? end; at < end && !stopping.signal.aborted; at += DAY_MS) {
      await report(await differences(db, { from: new Date(at), to: new Date(Math.min(at + DAY_MS, end)) }));
      await sleep(PAUSE_BETWEEN_DAYS_MS);
    }
    if (stopping.signal.aborted) return;
    await report(await differences(db, { from: new Date(end + settledMs + AHEAD_MS), to: new Date(8.64e15 / 10) }));
    if (horizon) await countUnverifiable(db, horizon);
    await moveReconciliation(db, { sweptAt: new Date() });
  }

  async function round(): Promise<void> {
    if (!(await acquireLease(leases, 'audit', 'reconciler', replica, everyMs * 3))) return;
    await look();
    const { swept_at: sweptAt } = await readReconciliation(db);
    if (!sweptAt || Date.now() - sweptAt.getTime() > DAY_MS) await sweep();
  }

  const loop = repeat('reconciler', everyMs, round, (error) => log.warn({ err: error }, 'the trail could not be reconciled; it is tried again'));
  return {
    name: loop.name,
    start: loop.start,
    async stop() {
      stopping.abort();
      await loop.stop();
    },
    look,
    sweep,
  };
}
