import { randomBytes } from 'node:crypto';
import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import type { MasterKey } from '@muniment/master-key';

/** An answer as it is stored. */
export interface StoredAnswer {
  /** HMAC of principal, route and key. The key itself is not stored. */
  scope: Buffer;
  /** HMAC of the request's content. */
  fingerprint: Buffer;
  /** The caller, or the user whom the request was about. Their erasure deletes the answer. */
  userId: string | null;
  sealed: Buffer;
}

interface AnswerScope {
  schema: string;
  scope: Buffer;
  ttlSeconds: number;
}

const table = (schema: string) => sql.table(`${schema}.idempotency_keys`);
const lifetime = (ttlSeconds: number) => sql`${ttlSeconds} * interval '1 second'`;

export async function findAnswer<DB>(
  db: Kysely<DB>,
  { schema, scope, ttlSeconds }: AnswerScope,
): Promise<StoredAnswer | undefined> {
  const { rows } = await sql<StoredAnswer>`
    select scope, fingerprint, user_id as "userId", sealed from ${table(schema)}
    where scope = ${scope} and created > clock_timestamp() - ${lifetime(ttlSeconds)}`.execute(db);
  return rows[0];
}

/**
 * Claims the scope until the transaction ends, without waiting for another holder, and deletes an
 * expired answer.
 * @returns whether the scope is free, and the fingerprint of an answer stored since `findAnswer`
 */
export async function claimScope<DB>(
  trx: Transaction<DB>,
  { schema, scope, ttlSeconds }: AnswerScope,
): Promise<{ free: boolean; fingerprint: Buffer | null }> {
  const { rows } = await sql<{ free: boolean; fingerprint: Buffer | null }>`
    with expired as (
      delete from ${table(schema)}
      where scope = ${scope} and created <= clock_timestamp() - ${lifetime(ttlSeconds)}
    )
    select pg_try_advisory_xact_lock(${scope.readBigInt64BE().toString()}::bigint) as free,
      (select fingerprint from ${table(schema)}
        where scope = ${scope}
          and created > clock_timestamp() - ${lifetime(ttlSeconds)}) as fingerprint`.execute(trx);
  return rows[0] ?? { free: false, fingerprint: null };
}

/** Goes into the transaction that it answers. A second one violates `idempotency_keys_pkey`. */
export const insertAnswer = (
  schema: string,
  { scope, fingerprint, userId, sealed }: StoredAnswer,
): RawBuilder<unknown> =>
  sql`insert into ${table(schema)} (scope, fingerprint, user_id, sealed)
    values (${scope}, ${fingerprint}, ${userId}::uuid, ${sealed})`;

/** Deletes up to `limit` expired answers. @returns how many */
export async function deleteExpiredAnswers<DB>(
  db: Kysely<DB>,
  { schema, ttlSeconds, limit }: { schema: string; ttlSeconds: number; limit: number },
): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from ${table(schema)} where scope in (
      select scope from ${table(schema)}
      where created <= clock_timestamp() - ${lifetime(ttlSeconds)}
      order by created limit ${limit} for update skip locked)`.execute(db);
  return Number(numAffectedRows ?? 0);
}

export async function deleteAnswersOfUser<DB>(
  db: Kysely<DB>,
  schema: string,
  userId: string,
): Promise<void> {
  await sql`delete from ${table(schema)} where user_id = ${userId}`.execute(db);
}

/** The service's secret, the same on every replica and after a rotation of the master key. */
export async function loadIdempotencySecret<DB>(
  db: Kysely<DB>,
  schema: string,
  masterKey: MasterKey,
): Promise<Buffer> {
  const secret = sql.table(`${schema}.idempotency_secret`);
  const context = `idempotency:${schema}`;
  async function find(): Promise<Buffer | undefined> {
    const { rows } = await sql<{ wrapped: Buffer }>`select wrapped from ${secret}`.execute(db);
    return rows[0]?.wrapped;
  }
  let wrapped = await find();
  if (!wrapped) {
    // Replicas may start at the same time; the first row stays.
    await sql`insert into ${secret} (wrapped)
      values (${await masterKey.wrap(randomBytes(32), context)})
      on conflict do nothing`.execute(db);
    wrapped = await find();
  }
  if (!wrapped) throw new Error('the secret of idempotency keys could not be stored');
  return masterKey.unwrap(wrapped, context);
}
