import { type QueryExecutorProvider, sql, type Transaction } from 'kysely';
import type { PublicJwk } from '@muniment/security';

export interface StoredKey {
  kid: string;
  wrapped_private: Buffer;
}

/** `next` signs once the active key retires. */
export type SigningStatus = 'active' | 'next';

/** Tokens live at most a day; retired keys verify a little longer. */
const RETIRED_VERIFIES = sql.raw(`interval '25 hours'`);

/** Lets one transaction at a time change keys. Later reads see a snapshot from after the lock. */
export async function lockSigningKeys<DB>(trx: Transaction<DB>): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(hashtextextended('identity.signing_keys', 0))`.execute(trx);
}

export async function findSigningKey(
  db: QueryExecutorProvider,
  status: SigningStatus,
): Promise<StoredKey | undefined> {
  const { rows } = await sql<StoredKey>`
    select kid, wrapped_private
    from identity.signing_keys
    where status = ${status} and algorithm = 'EdDSA'`.execute(db);
  return rows[0];
}

export async function insertSigningKey<DB>(
  trx: Transaction<DB>,
  status: SigningStatus,
  key: { kid: string; publicJwk: PublicJwk; wrappedPrivate: Buffer },
): Promise<void> {
  await sql`
    insert into identity.signing_keys
      (kid, algorithm, public_jwk, wrapped_private, status, activated_at)
    values (
      ${key.kid}, 'EdDSA', ${JSON.stringify(key.publicJwk)}::jsonb, ${key.wrappedPrivate},
      ${status}, case when ${status} = 'active' then now() end
    )`.execute(trx);
}

export async function activateSigningKey<DB>(trx: Transaction<DB>, kid: string): Promise<void> {
  await sql`
    update identity.signing_keys
    set status = 'active', activated_at = now()
    where kid = ${kid}`.execute(trx);
}

/** Retires an old enough active key and deletes its private part. @returns its kid */
export async function retireSigningKey<DB>(
  trx: Transaction<DB>,
  olderThanDays: number,
): Promise<string | null> {
  const { rows } = await sql<{ kid: string }>`
    update identity.signing_keys
    set status = 'retired', retires_at = now() + ${RETIRED_VERIFIES}, wrapped_private = null
    where status = 'active' and activated_at <= now() - ${olderThanDays} * interval '1 day'
    returning kid`.execute(trx);
  return rows[0]?.kid ?? null;
}

/** Marks keys as compromised. @returns the newly marked kids */
export async function markSigningKeysCompromised<DB>(
  trx: Transaction<DB>,
  kids: readonly string[] | 'all',
): Promise<string[]> {
  const { rows } = await sql<{ kid: string }>`
    update identity.signing_keys
    set status = 'compromised', wrapped_private = null
    where status <> 'compromised'
      and (${kids === 'all'} or kid = any(${kids === 'all' ? [] : kids}::text[]))
    returning kid`.execute(trx);
  return rows.map(({ kid }) => kid);
}
