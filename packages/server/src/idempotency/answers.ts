import { randomBytes } from 'node:crypto';
import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import type { MasterKey } from '@muniment/master-key';

/** An answer as it is kept. */
export interface StoredAnswer {
  /** HMAC of principal, route and key: the key itself is not kept. */
  scope: Buffer;
  /** HMAC of the request's content. */
  fingerprint: Buffer;
  /** Whose request it was, or whom it was about: their answers go with them. */
  userId: string | null;
  sealed: Buffer;
}

const table = (schema: string) => sql.table(`${schema}.idempotency_keys`);
const lifetime = (ttlSeconds: number) => sql`${ttlSeconds} * interval '1 second'`;

export async function findAnswer<DB>(
  db: Kysely<DB>,
  schema: string,
  scope: Buffer,
  ttlSeconds: number,
): Promise<StoredAnswer | undefined> {
  const { rows } = await sql<StoredAnswer>`
    select scope, fingerprint, user_id as "userId", sealed from ${table(schema)}
    where scope = ${scope} and created > clock_timestamp() - ${lifetime(ttlSeconds)}`.execute(db);
  return rows[0];
}

/**
 * Takes the scope for the rest of the transaction, or says at once that another one has it; a holder that dies frees it by its end. Clears away an answer
 * that is past its time.
 * @returns whether it is free to be acted under, and the fingerprint of an answer that has come to be since it was looked for
 */
export async function claimScope<DB>(
  trx: Transaction<DB>,
  schema: string,
  scope: Buffer,
  ttlSeconds: number,
): Promise<{ free: boolean; fingerprint: Buffer | null }> {
  const { rows } = await sql<{ free: boolean; fingerprint: Buffer | null }>`
    with expired as (delete from ${table(schema)} where scope = ${scope} and created <= clock_timestamp() - ${lifetime(ttlSeconds)})
    select pg_try_advisory_xact_lock(${scope.readBigInt64BE().toString()}::bigint) as free,
      (select fingerprint from ${table(schema)} where scope = ${scope} and created > clock_timestamp() - ${lifetime(ttlSeconds)}) as fingerprint`.execute(
    trx,
  );
  return rows[0] ?? { free: false, fingerprint: null };
}

/** For the transaction of what it answers. A second answer for a scope violates `idempotency_keys_pkey`. */
export const insertAnswer = (
  schema: string,
  { scope, fingerprint, userId, sealed }: StoredAnswer,
): RawBuilder<unknown> =>
  sql`insert into ${table(schema)} (scope, fingerprint, user_id, sealed) values (${scope}, ${fingerprint}, ${userId}::uuid, ${sealed})`;

/** Deletes up to `limit` answers that are past their time. @returns how many */
export async function deleteExpiredAnswers<DB>(
  db: Kysely<DB>,
  schema: string,
  ttlSeconds: number,
  limit: number,
): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from ${table(schema)} where scope in (
      select scope from ${table(schema)} where created <= clock_timestamp() - ${lifetime(ttlSeconds)} order by created limit ${limit} for update skip locked)`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0);
}

export async function deleteAnswersOfUser<DB>(
  db: Kysely<DB>,
  schema: string,
  userId: string,
): Promise<void> {
  await sql`delete from ${table(schema)} where user_id = ${userId}`.execute(db);
}

/** The service's secret: 32 random bytes, the same on every replica, wrapped by the master key and so the same after its rotation. */
export async function loadIdempotencySecret<DB>(
  db: Kysely<DB>,
  schema: string,
  masterKey: MasterKey,
): Promise<Buffer> {
  const secret = sql.table(`${schema}.idempotency_secret`);
  const context = `idempotency:${schema}`;
  const find = async () =>
    (await sql<{ wrapped: Buffer }>`select wrapped from ${secret}`.execute(db)).rows[0]?.wrapped;
  let wrapped = await find();
  if (!wrapped) {
    // Of replicas that begin at once, the first one's counts.
    await sql`insert into ${secret} (wrapped) values (${await masterKey.wrap(randomBytes(32), context)}) on conflict do nothing`.execute(
      db,
    );
    wrapped = await find();
  }
  if (!wrapped) throw new Error('the secret of idempotency keys could not be stored');
  return masterKey.unwrap(wrapped, context);
}
