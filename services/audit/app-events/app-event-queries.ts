import { sql, type Kysely, type Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { Tables } from '../tables.ts';

/** A caller's id within its tenant. */
export interface CallerId {
  tenant_id: string;
  caller_id: string;
}

export interface ClaimedEvent extends CallerId {
  event_id: string;
  /** Null for an erased subject: then any event with the id counts as a repetition. */
  fingerprint: Buffer | null;
}

export interface EventClaim extends ClaimedEvent {
  subject: string | null;
}

/**
 * Inserts callers' ids, in one order everywhere: it waits for transactions with the same ids.
 * @returns the ids of the events whose claim is new
 */
export async function insertClaims(
  trx: Transaction<Tables>,
  claims: readonly EventClaim[],
): Promise<Set<string>> {
  // An erasure deletes the fingerprints of its subject, so one of the two transactions waits.
  await sql`select pg_advisory_xact_lock_shared(7305150)`.execute(trx);
  const { rows } = await sql<{ event_id: string }>`
    insert into audit.app_events (tenant_id, caller_id, event_id, subject, fingerprint)
    select * from unnest(
      ${claims.map(({ tenant_id }) => tenant_id)}::text[],
      ${claims.map(({ caller_id }) => caller_id)}::text[],
      ${claims.map(({ event_id }) => event_id)}::uuid[],
      ${claims.map(({ subject }) => subject)}::text[],
      ${claims.map(({ fingerprint }) => fingerprint)}::bytea[])
    on conflict (tenant_id, caller_id) do nothing
    returning event_id`.execute(trx);
  return new Set(rows.map(({ event_id }) => event_id));
}

/** Finds the events that callers' ids were claimed for. */
export async function findClaims(
  db: Kysely<Tables>,
  ids: readonly CallerId[],
): Promise<ClaimedEvent[]> {
  const { rows } = await sql<ClaimedEvent>`
    select a.tenant_id, a.caller_id, a.event_id, a.fingerprint
    from unnest(
      ${ids.map(({ tenant_id }) => tenant_id)}::text[],
      ${ids.map(({ caller_id }) => caller_id)}::text[]) w(tenant_id, caller_id)
    join audit.app_events a using (tenant_id, caller_id)`.execute(db);
  return rows;
}

const LOWEST_RANDOM = Buffer.alloc(10);
const DELETE_BATCH = 5_000;

/**
 * Deletes callers' ids that were claimed before a time. An event with such an id is a new one.
 * Replicas may do it at once: each takes other rows.
 * @returns how many
 */
export async function deleteOldClaims(
  db: Kysely<Tables>,
  before: Date,
  batch = DELETE_BATCH,
): Promise<number> {
  // Our ids begin with the time of the claim.
  const end = uuidv7(before.getTime(), LOWEST_RANDOM);
  for (let deleted = 0; ;) {
    const { numAffectedRows = 0n } = await sql`
      delete from audit.app_events where (tenant_id, caller_id) in (
        select tenant_id, caller_id from audit.app_events where event_id < ${end}::uuid
        order by event_id limit ${batch} for update skip locked)`.execute(db);
    deleted += Number(numAffectedRows);
    if (numAffectedRows < batch) return deleted;
  }
}

/**
 * Deletes fingerprints, which could confirm guesses about an erased subject's events.
 * Call it under the lock of `deleteSearchTerms`.
 */
export async function deleteFingerprints(trx: Transaction<Tables>, subject: string): Promise<void> {
  await sql`
    update audit.app_events set fingerprint = null
    where subject = ${subject} and fingerprint is not null`.execute(trx);
}
