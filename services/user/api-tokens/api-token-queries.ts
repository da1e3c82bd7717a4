import { sql, type Kysely, type Transaction } from 'kysely';
import { ownedBy } from '@muniment/database';
import type { Role } from '@muniment/security';
import type { ApiTokensTable, Tables } from '../tables.ts';
import { sessionIsLive } from '../sessions/session-queries.ts';

const LIVE = sql<boolean>`revoked_at is null and expires_at > clock_timestamp()`;

const columns = [
  'id',
  'user_id',
  'name',
  'scopes',
  sql<string[]>`allowed_ips::text[]`.as('allowed_ips'),
  'ip',
  'user_agent',
  'created',
  'expires_at',
  'last_used_at',
  'last_used_ip',
] as const;

/** Whether a token is live, whatever its owner's state. */
export async function isApiTokenLive(db: Kysely<Tables>, id: string): Promise<boolean> {
  return (
    (await db
      .selectFrom('identity.api_tokens')
      .select('id')
      .where('id', '=', id)
      .where(LIVE)
      .executeTakeFirst()) !== undefined
  );
}

/** An API token without its hash. */
export type ListedApiToken = Omit<ApiTokensTable, 'token_hash' | 'revoked_at' | 'created'> & {
  created: Date;
};

export interface TokenOwner {
  id: string;
  type: Role;
}

/** Locks an active owner, so the role cannot change while tokens are counted. */
export async function lockTokenOwner(
  trx: Transaction<Tables>,
  id: string,
): Promise<TokenOwner | undefined> {
  return trx
    .selectFrom('identity.users')
    .select(['id', 'type'])
    .where('id', '=', id)
    .where('status', '=', 'active')
    .forNoKeyUpdate()
    .executeTakeFirst();
}

export async function countLiveApiTokens(
  trx: Transaction<Tables>,
  userId: string,
): Promise<number> {
  const { count } = await trx
    .selectFrom('identity.api_tokens')
    .select(sql<number>`count(*)`.as('count'))
    .where('user_id', '=', userId)
    .where(LIVE)
    .executeTakeFirstOrThrow();
  return count;
}

export interface NewApiToken {
  id: string;
  user_id: string;
  token_hash: Buffer;
  name: string;
  scopes: readonly string[];
  allowed_ips: readonly string[];
  ip: string;
  user_agent: string | null;
  seconds: number;
}

/** Inserts a token that lives for `seconds` by the database's clock. */
export async function insertApiToken(
  trx: Transaction<Tables>,
  { seconds, scopes, allowed_ips, ...token }: NewApiToken,
): Promise<ListedApiToken> {
  return trx
    .insertInto('identity.api_tokens')
    .values({
      ...token,
      scopes: [...scopes],
      allowed_ips: sql<string[]>`${allowed_ips}::text[]::cidr[]`,
      expires_at: sql<Date>`now() + ${seconds} * interval '1 second'`,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
}

/** Lists a user's live tokens, newest first, behind the id `before`. */
export async function listLiveApiTokens(
  db: Kysely<Tables>,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined },
): Promise<ListedApiToken[]> {
  return db
    .selectFrom('identity.api_tokens')
    .select(columns)
    .where(ownedBy(userId))
    .where(LIVE)
    .$if(before !== undefined, (query) => query.where('id', '<', before ?? ''))
    .orderBy('user_id')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Revokes a live token of the caller, or of a manageable service account. */
export async function revokeLiveApiToken(
  trx: Transaction<Tables>,
  id: string,
  caller: { userId: string; sessionId: string; managesServiceAccounts: boolean },
): Promise<{ user_id: string; created: Date; expires_at: Date } | undefined> {
  const owned = caller.managesServiceAccounts
    ? sql<boolean>`user_id in (
        select u.id from identity.users u where u.id = ${caller.userId} or u.service)`
    : sql<boolean>`user_id = ${caller.userId}`;
  return trx
    .updateTable('identity.api_tokens')
    .set({ revoked_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where(LIVE)
    .where(owned)
    .where(sessionIsLive(caller.sessionId))
    .returning(['user_id', 'created', 'expires_at'])
    .executeTakeFirst();
}

/** Revokes a user's live tokens. @returns them */
export async function revokeApiTokensOfUser(
  trx: Transaction<Tables>,
  userId: string,
): Promise<{ id: string; expires_at: Date }[]> {
  return trx
    .updateTable('identity.api_tokens')
    .set({ revoked_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where(LIVE)
    .returning(['id', 'expires_at'])
    .execute();
}

/** Deletes tokens that ended a week ago; rows hold personal data. */
export async function deleteExpiredApiTokens(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.api_tokens
    where revoked_at < now() - interval '7 days' or expires_at < now() - interval '7 days'`.execute(
    db,
  );
}
