import { sql, type Kysely } from 'kysely';
import type { DifferenceKind, RowType } from './checks.ts';
import type { Tables } from '../tables.ts';

export interface Difference {
  kind: DifferenceKind;
  row_type: RowType;
  row_id: string;
}

const columnsOf = (differences: readonly Difference[]) => sql`unnest(
  ${differences.map(({ kind }) => kind)}::text[],
  ${differences.map(({ row_type: type }) => type)}::text[],
  ${differences.map(({ row_id: id }) => id)}::text[])`;

/** Inserts differences. @returns those that were unknown or closed */
export async function insertDifferences(
  db: Kysely<Tables>,
  differences: readonly Difference[],
): Promise<Difference[]> {
  if (differences.length === 0) return [];
  const { rows } = await sql<Difference>`
    insert into audit.differences as d (kind, row_type, row_id)
    select distinct * from ${columnsOf(differences)}
    on conflict (kind, row_type, row_id) do update set first_seen = now(), resolved_at = null
    where d.resolved_at is not null
    returning kind, row_type, row_id`.execute(db);
  return rows;
}

/** @returns the differences that were open */
export async function closeDifferences(
  db: Kysely<Tables>,
  differences: readonly Difference[],
): Promise<Difference[]> {
  if (differences.length === 0) return [];
  const { rows } = await sql<Difference>`
    update audit.differences d set resolved_at = now()
    from ${columnsOf(differences)} as m(kind, row_type, row_id)
    where d.kind = m.kind and d.row_type = m.row_type and d.row_id = m.row_id
      and d.resolved_at is null
    returning d.kind, d.row_type, d.row_id`.execute(db);
  return rows;
}

export interface OpenDifference extends Difference {
  first_seen: Date;
}

/** Open differences, oldest first. */
export async function listOpenDifferences(
  db: Kysely<Tables>,
  limit: number,
): Promise<OpenDifference[]> {
  return db
    .selectFrom('audit.differences')
    .select(['kind', 'row_type', 'row_id', 'first_seen'])
    .where('resolved_at', 'is', null)
    .orderBy('first_seen')
    .limit(limit)
    .execute();
}

export interface ReconciliationState {
  /** Rows and events are compared up to here; null before the first run. */
  checked_until: Date | null;
  /** When everything was last compared. */
  swept_at: Date | null;
  /** Rows older than the log in the database: their events lie in archives. */
  unverifiable_rows: number;
}

/**
 * Reads the reconciler's progress, in its own role. `horizon` is the oldest event's month, or an
 * hour after the newest archived month. The hour is for rows that are younger than their event.
 */
export async function readReconciliation(
  db: Kysely<Tables>,
): Promise<ReconciliationState & { horizon: Date | null }> {
  const { rows } = await sql<ReconciliationState & { horizon: Date | null }>`
    select checked_until, swept_at, unverifiable_rows, (
      select greatest(
        date_trunc('month', to_timestamp(
          ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0), 'UTC'),
        (select audit.month_start(max(month)) + interval '1 month' + interval '1 hour'
          from audit.archives where dropped_at is not null))
      from shared.oldest_event
    ) as horizon from audit.reconciliation`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('audit.reconciliation has no row');
  return row;
}

/** Reads the reconciler's progress in the audit service's role. */
export async function readReconciled(db: Kysely<Tables>): Promise<ReconciliationState | undefined> {
  return db
    .selectFrom('audit.reconciliation')
    .select(['checked_until', 'swept_at', 'unverifiable_rows'])
    .executeTakeFirst();
}

export async function moveReconciliation(
  db: Kysely<Tables>,
  { checkedUntil, sweptAt }: { checkedUntil?: Date; sweptAt?: Date },
): Promise<void> {
  await sql`
    update audit.reconciliation
    set checked_until = greatest(checked_until, ${checkedUntil ?? null}::timestamptz),
      swept_at = coalesce(${sweptAt ?? null}::timestamptz, swept_at)`.execute(db);
}

/** Counts the rows older than the horizon, in the reconciler's role. */
export async function countUnverifiable(db: Kysely<Tables>, horizon: Date): Promise<void> {
  await sql`
    update audit.reconciliation set unverifiable_rows =
      (select count(*) from shared.user_rows where created < ${horizon})
      + (select count(*) from shared.session_rows where created < ${horizon})
      + (select count(*) from shared.file_rows where created < ${horizon})`.execute(db);
}
