import { sql, type Kysely } from 'kysely';

export interface StoredKey {
  subject: string;
  key_id: string;
  /** The key under the master key. */
  wrapped: Buffer;
}

export interface FoundKey {
  subject: string;
  key_id: string | null;
  wrapped: Buffer | null;
  erased: boolean;
  /** The transaction that asks has created it itself. */
  uncommitted: boolean;
}

export async function findSubjectKeys<DB>(
  db: Kysely<DB>,
  subjects: readonly string[],
): Promise<FoundKey[]> {
  const { rows } = await sql<FoundKey>`
    select w.subject, k.key_id, k.wrapped, k.erased, k.uncommitted
    from unnest(${subjects}::text[]) w(subject)
    cross join lateral keys.find_subject_key(w.subject) k`.execute(db);
  return rows;
}

/**
 * @returns the stored keys; those of a faster transaction where there was one, none for the erased
 */
export async function createSubjectKeyRows<DB>(
  db: Kysely<DB>,
  keys: readonly StoredKey[],
): Promise<StoredKey[]> {
  const { rows } = await sql<StoredKey>`
    select w.subject, k.key_id, k.wrapped
    from unnest(
      ${keys.map(({ subject }) => subject)}::text[],
      ${keys.map(({ key_id }) => key_id)}::uuid[],
      ${keys.map(({ wrapped }) => wrapped)}::bytea[]) w(subject, key_id, wrapped)
    cross join lateral keys.create_subject_key(w.subject, w.key_id, w.wrapped) k`.execute(db);
  return rows;
}

/** Needs the audit service's role. */
export async function findKeysById<DB>(
  db: Kysely<DB>,
  keyIds: readonly string[],
): Promise<StoredKey[]> {
  const { rows } = await sql<StoredKey>`
    select key_id, subject, wrapped from keys.find_keys(${keyIds}::uuid[])`.execute(db);
  return rows;
}
