import { sql, type Kysely } from 'kysely';
import type { DifferenceKind, RowType } from './checks.ts';
import type { Tables } from '../tables.ts';

export interface Difference {
  kind: DifferenceKind;
  row_type: RowType;
  row_id: string;
}

const columnsOf = (differences: readonly Difference[]) => sql`unnest(
  ${differences.map(({ kind }) => kind)}::text[], ${differences.map(({ row_type: type }) => type)}::text[], ${differences.map(({ row_id: id }) => id)}::text[])`;

/** Notes what differs. @returns those that were not known, or were mended once */
export async function insertDifferences(
  db: Kysely<Tables>,
  differences: readonly Difference[],
): Promise<Difference[]> {
  if (differences.length === 0) return [];
  const { rows } = await sql<Difference>`
    insert into audit.differences as d (kind, row_type, row_id)
    select distinct * from ${columnsOf(differences)}
    on conflict (kind, row_type, row_id) do update set first_seen = now(), resolved_at = null where d.resolved_at is not null
    returning kind, row_type, row_id`.execute(db);
  return rows;
}

/** @returns those that were open */
export async function closeDifferences(
  db: Kysely<Tables>,
  differences: readonly Difference[],
): Promise<Difference[]> {
  if (differences.length === 0) return [];
  const { rows } = await sql<Difference>`
    update audit.differences d set resolved_at = now()
    from ${columnsOf(differences)} as m(kind, row_type, row_id)
    where d.kind = m.kind and d.row_type = m.row_type and d.row_id = m.row_id and d.resolved_at is null
    returning d.kind, d.row_type, d.row_id`.execute(db);
  return rows;
}

export interface OpenDifference extends Difference {
  first_seen: Date;
}

/** Differences that were not mended, oldest first. */
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
  /** Up to when rows and events have been compared; null while no reconciler has run. */
  checked_until: Date | null;
  /** When everything was compared last. */
  swept_at: Date | null;
  /** Rows older than what the log still holds: their events lie in archives. */
  unverifiable_rows: number;
}

/**
 * How far the reconciler is. `horizon`: from when on the table holds all events: the first instant of the month of the oldest, or the end of the newest month
 * that was ever moved out, and an hour, since a row may be younger than its event. A month that is back, or an event that came late for one that is archived,
 * stands before months that are away. Needs the reconciler's role.
 */
export async function readReconciliation(
  db: Kysely<Tables>,
): Promise<ReconciliationState & { horizon: Date | null }> {
  const { rows } = await sql<ReconciliationState & { horizon: Date | null }>`
    select checked_until, swept_at, unverifiable_rows, (
      select greatest(
        date_trunc('month', to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0), 'UTC'),
        (select audit.month_start(max(month)) + interval '1 month' + interval '1 hour' from audit.archives where dropped_at is not null))
      from shared.oldest_event
    ) as horizon from audit.reconciliation`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('audit.reconciliation has no row');
  return row;
}

/** How far the reconciler is, as the audit service may know it. */
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
    set checked_until = greatest(checked_until, ${checkedUntil ?? null}::timestamptz), swept_at = coalesce(${sweptAt ?? null}::timestamptz, swept_at)`.execute(
    db,
  );
}

/** Counts the rows that are older than the horizon. As the reconciler. */
export async function countUnverifiable(db: Kysely<Tables>, horizon: Date): Promise<void> {
  await sql`
    update audit.reconciliation set unverifiable_rows =
      (select count(*) from shared.user_rows where created < ${horizon}) + (select count(*) from shared.session_rows where created < ${horizon})
      + (select count(*) from shared.file_rows where created < ${horizon})`.execute(db);
}
