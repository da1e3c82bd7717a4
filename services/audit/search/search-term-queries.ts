import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** An HMAC by which an event is found. An empty one marks an event whose terms could not be made yet. */
export interface SearchTerm {
  term: Buffer;
  event_id: string;
  subject: string;
}

/** Adds terms; those of a subject that is erased, or is being erased, are left out. @returns how many are new */
export async function insertSearchTerms(
  trx: Kysely<Tables>,
  terms: readonly SearchTerm[],
): Promise<number> {
  const { rows } = await sql<{ added: number }>`
    select audit.add_search_terms(
      ${terms.map(({ term }) => term)}::bytea[], ${terms.map((term) => term.event_id)}::uuid[], ${terms.map(({ subject }) => subject)}::text[]) as added`.execute(
    trx,
  );
  return rows[0]?.added ?? 0;
}

/** Deletes an erased subject's terms, also those that a transaction under way is adding: it is waited for. @returns how many */
export async function deleteSearchTerms(
  trx: Transaction<Tables>,
  subject: string,
): Promise<number> {
  const { rows } = await sql<{
    deleted: number;
  }>`select audit.delete_search_terms(${subject}) as deleted`.execute(trx);
  return rows[0]?.deleted ?? 0;
}

/** Deletes the terms of those without an account, of events before `before`. @returns how many */
export async function deleteAddressTerms(db: Kysely<Tables>, before: Date): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from audit.search_terms where subject like 'address:%' and event_id < audit.uuid_floor(${before})`.execute(
    db,
  );
  return Number(numAffectedRows);
}

/** A wrapped search key; undefined before the first. */
export async function findSearchKey(db: Kysely<Tables>): Promise<Buffer | undefined> {
  const { rows } = await sql<{
    wrapped: Buffer | null;
  }>`select keys.find_search_key() as wrapped`.execute(db);
  return rows[0]?.wrapped ?? undefined;
}

/** Makes `wrapped` the search key unless there is one. @returns the one that stands */
export async function createSearchKey(db: Kysely<Tables>, wrapped: Buffer): Promise<Buffer> {
  const { rows } = await sql<{
    wrapped: Buffer;
  }>`select keys.create_search_key(${wrapped}) as wrapped`.execute(db);
  return rows[0]?.wrapped ?? wrapped;
}

/** An event whose terms could not be made when it was stored; its fields are null once the log has let go of it. */
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
    select t.event_id, t.subject, e.record, e.personal_key_id as key_id, e.personal_nonce as nonce, e.personal_ciphertext as ciphertext
    from (select event_id, subject from audit.search_terms where term = ''::bytea order by event_id limit ${limit}) t
    left join audit.events e on e.id = t.event_id`.execute(db);
  return rows;
}

/** Takes the mark away from an event that has its terms now, or will never have any. */
export async function deleteMark(db: Kysely<Tables>, eventId: string): Promise<void> {
  await sql`delete from audit.search_terms where term = ''::bytea and event_id = ${eventId}::uuid`.execute(
    db,
  );
}
