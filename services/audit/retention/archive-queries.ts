import { sql, type Kysely, type Transaction } from 'kysely';
import type { Lease } from '@muniment/database';
import type { Tables } from '../tables.ts';

/** One month's events, moved from the database to the audit bucket. */
export interface Archive {
  /** `YYYY_MM`, UTC. */
  month: string;
  object_key: string;
  rows: number;
  /** null when the month had no event. */
  first_index: number | null;
  last_index: number | null;
  /** Leaves of the checkpoint under which it verifies. */
  tree_size: number;
  /** Of the compressed object. */
  bytes: number;
  sha256: Buffer;
}

export interface ArchiveState extends Archive {
  dropped_at: Date | null;
  drop_announced: Date | null;
  restored_at: Date | null;
  restore_announced: Date | null;
  keep_until: Date | null;
}

/** Months whose partition is older than the policy, oldest first. */
export async function listMonthsToArchive(db: Kysely<Tables>, months: number): Promise<string[]> {
  const { rows } = await sql<{
    month: string;
  }>`select month from audit.months_to_archive(${months}) as month`.execute(db);
  return rows.map(({ month }) => month);
}

/** Months that lie in the bucket and not in the database, oldest first. */
export async function listArchivedMonths(db: Kysely<Tables>): Promise<string[]> {
  const rows = await db
    .selectFrom('audit.archives')
    .select('month')
    .where('dropped_at', 'is not', null)
    .where('rows', '>', 0)
    .where((is) =>
      is.or([is('restored_at', 'is', null), is('restored_at', '<', is.ref('dropped_at'))]),
    )
    .orderBy('month')
    .execute();
  return rows.map(({ month }) => month);
}

export async function findArchive(
  db: Kysely<Tables>,
  month: string,
): Promise<ArchiveState | undefined> {
  return db.selectFrom('audit.archives').selectAll().where('month', '=', month).executeTakeFirst();
}

/** Archives whose drop or restore has no event yet. */
export async function listUnannouncedArchives(db: Kysely<Tables>): Promise<ArchiveState[]> {
  return db
    .selectFrom('audit.archives')
    .selectAll()
    .where((is) =>
      is.or([
        is.and([
          is('dropped_at', 'is not', null),
          is('drop_announced', 'is distinct from', is.ref('dropped_at')),
        ]),
        is.and([
          is('restored_at', 'is not', null),
          is('restore_announced', 'is distinct from', is.ref('restored_at')),
        ]),
      ]),
    )
    .orderBy('month')
    .execute();
}

/** @returns false when its event exists already */
export async function markAnnounced(
  trx: Transaction<Tables>,
  month: string,
  what: 'drop' | 'restore',
): Promise<boolean> {
  const [announced, happened] =
    what === 'drop'
      ? (['drop_announced', 'dropped_at'] as const)
      : (['restore_announced', 'restored_at'] as const);
  const { numAffectedRows } = await sql`
    update audit.archives set ${sql.ref(announced)} = ${sql.ref(happened)}
    where month = ${month} and ${sql.ref(announced)} is distinct from ${sql.ref(happened)}`.execute(
    trx,
  );
  return numAffectedRows === 1n;
}

/** What a month holds, and how much of it is sealed. */
export interface MonthContent {
  rows: number;
  sealed: number;
  first_index: number | null;
  last_index: number | null;
}

// Both ends of the month as ids, so that PostgreSQL reads one partition.
const ofMonth = (month: string, id: string) => sql`
  ${sql.ref(id)} >= audit.uuid_floor(audit.month_start(${month}))
    and ${sql.ref(id)} < audit.uuid_floor(audit.month_start(${month}) + interval '1 month')`;

export async function readMonthContent(db: Kysely<Tables>, month: string): Promise<MonthContent> {
  const { rows } = await sql<MonthContent>`
    select count(*) as rows, count(s.index) as sealed, min(s.index) as first_index,
      max(s.index) as last_index
    from audit.events e left join audit.sealed s on s.event_id = e.id
    where ${ofMonth(month, 'e.id')}`.execute(db);
  return rows[0] as MonthContent;
}

/** A sealed event with everything that a restore needs. */
export interface ArchivedRow {
  index: number;
  record: string;
  key_id: string | null;
  nonce: string | null;
  ciphertext: string | null;
}

/**
 * Events of a month in the order of the log, after an index. OFFSET 0 makes the planner look up each
 * event: a hash join would read and sort the whole month for each page.
 */
export async function listMonth(
  db: Kysely<Tables>,
  month: string,
  { after, last, limit }: { after: number; last: number; limit: number },
): Promise<ArchivedRow[]> {
  const { rows } = await sql<ArchivedRow>`
    select s.index, e.* from audit.sealed s
    cross join lateral (
      select record, personal_key_id as key_id, personal_nonce as nonce,
        personal_ciphertext as ciphertext
      from audit.events where id = s.event_id and ${ofMonth(month, 'id')} offset 0
    ) e
    where s.index > ${after} and s.index <= ${last} and ${ofMonth(month, 's.event_id')}
    order by s.index limit ${limit}`.execute(db);
  return rows;
}

// The functions below run as `audit_retention`.

/** @throws MU001 when the partition has changed, MU002 when the lease is lost */
export async function insertArchive(
  db: Kysely<unknown>,
  archive: Archive,
  { holder, epoch }: Lease,
): Promise<void> {
  const { month, object_key, rows, first_index, last_index, tree_size, bytes, sha256 } = archive;
  await sql`
    select audit.record_archive(${month}, ${object_key}, ${rows}, ${first_index}, ${last_index},
      ${tree_size}, ${bytes}, ${sha256}, ${holder}, ${epoch})`.execute(db);
}

/** Drops a month's partition, with the search terms of its events. */
export async function dropArchivedMonth(
  db: Kysely<unknown>,
  { month, months }: { month: string; months: number },
  { holder, epoch }: Lease,
): Promise<void> {
  await sql`select audit.drop_archived_month(${month}, ${months}, ${holder}, ${epoch})`.execute(db);
}

export async function beginRestore(
  db: Kysely<unknown>,
  month: string,
  { holder, epoch }: Lease,
): Promise<void> {
  await sql`select audit.begin_restore(${month}, ${holder}, ${epoch})`.execute(db);
}

export async function stageRows(
  db: Kysely<unknown>,
  month: string,
  rows: readonly ArchivedRow[],
): Promise<void> {
  await sql`
    insert into ${sql.table(`audit.restore_${month}`)} (index, record, key_id, nonce, ciphertext)
    select * from unnest(
      ${rows.map(({ index }) => index)}::bigint[], ${rows.map(({ record }) => record)}::text[],
      ${rows.map((row) => row.key_id)}::uuid[],
      ${rows.map(({ nonce }) => nonce)}::text[],
      ${rows.map(({ ciphertext }) => ciphertext)}::text[])`.execute(db);
}

/**
 * Attaches the staged rows as a partition of the log.
 * @returns how many came back without personal values, since their key is gone
 */
export async function finishRestore(
  db: Kysely<unknown>,
  { month, keepDays }: { month: string; keepDays: number },
  { holder, epoch }: Lease,
): Promise<number> {
  const { rows } = await sql<{
    unreadable: number;
  }>`select audit.finish_restore(${month}, ${keepDays}, ${holder}, ${epoch}) as unreadable`.execute(
    db,
  );
  return rows[0]?.unreadable ?? 0;
}
