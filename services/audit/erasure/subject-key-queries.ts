import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** Deletes a subject's key; its personal values can never be read again. Idempotent. */
export async function deleteSubjectKey(db: Kysely<Tables>, subject: string): Promise<void> {
  await sql`select keys.erase_subject(${subject})`.execute(db);
}

/** Destroys the keys of the days (UTC) before `before`. @returns how many */
export async function destroyDayKeys(db: Kysely<Tables>, before: Date): Promise<number> {
  const day = before.toISOString().slice(0, 10);
  const { rows } = await sql<{ destroyed: number }>`
    select keys.destroy_day_keys(${day}::date) as destroyed`.execute(db);
  return rows[0]?.destroyed ?? 0;
}

/** Finds the subjects that the database does not know as erased. */
export async function findUnerased(
  db: Kysely<Tables>,
  subjects: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ subject: string }>`
    select w.subject
    from unnest(${subjects}::text[]) w(subject)
    cross join lateral keys.find_subject_key(w.subject) k
    where not k.erased`.execute(db);
  return rows.map(({ subject }) => subject);
}
