import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** An HMAC by which an event is found. An empty one marks an event without terms yet. */
export interface SearchTerm {
  term: Buffer;
  event_id: string;
  subject: string;
}

/** Inserts terms, but none of a subject that is or is being erased. @returns how many are new */
export async function insertSearchTerms(
  trx: Kysely<Tables>,
  terms: readonly SearchTerm[],
): Promise<number> {
  const { rows } = await sql<{ added: number }>`
    select audit.add_search_terms(
      ${terms.map(({ term }) => term)}::bytea[],
      ${terms.map((term) => term.event_id)}::uuid[],
      ${terms.map(({ subject }) => subject)}::text[]) as added`.execute(trx);
  return rows[0]?.added ?? 0;
}

/** Deletes an erased subject's terms, also those of open transactions: it waits for these. */
export async function deleteSearchTerms(
  trx: Transaction<Tables>,
  subject: string,
): Promise<number> {
  const { rows } = await sql<{ deleted: number }>`
    select audit.delete_search_terms(${subject}) as deleted`.execute(trx);
  return rows[0]?.deleted ?? 0;
}

/**
 * Deletes the terms of callers without an account, for events before `before`.
 * @returns how many
 */
export async function deleteAddressTerms(db: Kysely<Tables>, before: Date): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from audit.search_terms
    where subject like 'address:%' and event_id < audit.uuid_floor(${before})`.execute(db);
  return Number(numAffectedRows);
}

/** The wrapped search key; undefined before the first. */
export async function findSearchKey(db: Kysely<Tables>): Promise<Buffer | undefined> {
  const { rows } = await sql<{ wrapped: Buffer | null }>`
    select keys.find_search_key() as wrapped`.execute(db);
  return rows[0]?.wrapped ?? undefined;
}

/** Saves `wrapped` as the search key unless there is one. @returns the saved one */
export async function createSearchKey(db: Kysely<Tables>, wrapped: Buffer): Promise<Buffer> {
  const { rows } = await sql<{ wrapped: Buffer }>`
    select keys.create_search_key(${wrapped}) as wrapped`.execute(db);
  return rows[0]?.wrapped ?? wrapped;
}

/** An event that was stored without terms. Its fields are null once it is archived. */
export interface MarkedEvent {
  event_id: string;
  subject: string;
  record: string | null;
  key_id: string | null;
  nonce: string | null;
  ciphertext: string | null;
}

export async function listMarkedEvents(db: Kysely<Tables>, limit: number): Promise<MarkedEvent[]> {
  const { rows } = await sql<MarkedEvent>`
    select t.event_id, t.subject, e.record, e.personal_key_id as key_id,
      e.personal_nonce as nonce, e.personal_ciphertext as ciphertext
    from (
      select event_id, subject from audit.search_terms
      where term = ''::bytea order by event_id limit ${limit}) t
    left join audit.events e on e.id = t.event_id`.execute(db);
  return rows;
}

/** Removes the mark of an event that has its terms now, or can never have any. */
export async function deleteMark(db: Kysely<Tables>, eventId: string): Promise<void> {
  await sql`
    delete from audit.search_terms
    where term = ''::bytea and event_id = ${eventId}::uuid`.execute(db);
}
