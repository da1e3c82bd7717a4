import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../../tables.ts';

/** A signed head of the log. */
export interface StoredCheckpoint {
  size: number;
  root: Buffer;
  note: string;
}

const COLUMNS = ['size', 'root', 'note'] as const;

export async function findLatestCheckpoint(
  db: Kysely<Tables>,
): Promise<StoredCheckpoint | undefined> {
  return db
    .selectFrom('audit.checkpoints')
    .select(COLUMNS)
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The checkpoints of exactly these sizes. */
export async function findCheckpoints(
  db: Kysely<Tables>,
  sizes: readonly number[],
): Promise<StoredCheckpoint[]> {
  return db.selectFrom('audit.checkpoints').select(COLUMNS).where('size', 'in', sizes).execute();
}

/** The checkpoints above a size, smallest first. */
export async function listCheckpointsAfter(
  db: Kysely<Tables>,
  size: number,
  limit: number,
): Promise<StoredCheckpoint[]> {
  return db
    .selectFrom('audit.checkpoints')
    .select(COLUMNS)
    .where('size', '>', size)
    .orderBy('size')
    .limit(limit)
    .execute();
}

/** @returns false when this size was signed before */
export async function insertCheckpoint(
  trx: Transaction<Tables>,
  { size, root, note }: StoredCheckpoint,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into audit.checkpoints (size, root, note) values (${size}, ${root}, ${note})
    on conflict (size) do nothing`.execute(trx);
  return numAffectedRows === 1n;
}
