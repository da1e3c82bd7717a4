import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import { isRole, roleAllows, type Viewer } from '@muniment/security';
import type { Tables } from '../tables.ts';

/** A viewer token as it is answered; the token itself is kept by nobody. */
export interface ViewerToken {
  id: string;
  tenant_id: string;
  created_by: string;
  created: Date;
  expires_at: Date;
}

const columns = ['id', 'tenant_id', 'created_by', 'created', 'expires_at'] as const;

/** Adds a token that lives for `seconds` by the database's clock. */
export async function insertViewerToken(
  trx: Transaction<Tables>,
  token: { id: string; tokenHash: Buffer; tenantId: string; createdBy: string; seconds: number },
): Promise<ViewerToken> {
  return trx
    .insertInto('audit.viewer_tokens')
    .values({
      id: token.id,
      token_hash: token.tokenHash,
      tenant_id: token.tenantId,
      created_by: token.createdBy,
      expires_at: sql`now() + ${token.seconds} * interval '1 second'`,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
}

/** Revokes a token that still counts. @returns undefined when there is none */
export async function revokeViewerToken(
  trx: Transaction<Tables>,
  id: string,
): Promise<ViewerToken | undefined> {
  return trx
    .updateTable('audit.viewer_tokens')
    .set({ revoked_at: sql`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .returning(columns)
    .executeTakeFirst();
}

/** Tokens that count, newest first. */
export async function listViewerTokens(
  db: Kysely<Tables>,
  page: { tenantId?: string | undefined; before?: string | undefined; limit: number },
): Promise<ViewerToken[]> {
  return db
    .selectFrom('audit.viewer_tokens')
    .select(columns)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .$if(page.tenantId !== undefined, (query) => query.where('tenant_id', '=', page.tenantId ?? ''))
    .$if(page.before !== undefined, (query) => query.where('id', '<', page.before ?? ''))
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}

/**
 * Who holds tokens that count now. Never cached: a token that was revoked, or whose maker was deleted, suspended or demoted, is refused from the
 * next request on, by every replica.
 */
async function findViewers(db: Kysely<Tables>, condition: RawBuilder<unknown>): Promise<Viewer[]> {
  const { rows } = await sql<{ id: string; tenant_id: string; expires_at: Date; role: string }>`
    select t.id, t.tenant_id, t.expires_at, u.role
    from audit.viewer_tokens t join shared.user_status u on u.user_id = t.created_by and u.status = 'active'
    where ${condition} and t.revoked_at is null and t.expires_at > clock_timestamp()`.execute(db);
  return rows
    .filter(({ role }) => isRole(role) && roleAllows(role, 'audit:write-events'))
    .map((row) => ({ tokenId: row.id, tenantId: row.tenant_id, expiresAt: row.expires_at }));
}

export async function findViewerByHash(
  db: Kysely<Tables>,
  tokenHash: Buffer,
): Promise<Viewer | undefined> {
  return (await findViewers(db, sql`t.token_hash = ${tokenHash}`))[0];
}

/** For what lasts longer than a request. @returns those of the ids whose tokens count */
export async function findCountingTokens(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  return new Set(
    (await findViewers(db, sql`t.id = any(${ids}::uuid[])`)).map(({ tokenId }) => tokenId),
  );
}

/** Forgets tokens that count no more; what they were stands in the trail. @returns how many */
export async function deleteEndedViewerTokens(db: Kysely<Tables>): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('audit.viewer_tokens')
    .where('expires_at', '<', sql<Date>`now()`)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
