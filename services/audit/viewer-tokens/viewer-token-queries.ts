import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import { isRole, roleAllows, type Viewer } from '@muniment/security';
import type { Tables } from '../tables.ts';

/** A viewer token without its secret, of which only the hash is stored. */
export interface ViewerToken {
  id: string;
  tenant_id: string;
  created_by: string;
  created: Date;
  expires_at: Date;
}

const COLUMNS = ['id', 'tenant_id', 'created_by', 'created', 'expires_at'] as const;

/** Inserts a token that expires after `ttlSeconds` by the database's clock. */
export async function insertViewerToken(
  trx: Transaction<Tables>,
  token: { id: string; tokenHash: Buffer; tenantId: string; createdBy: string; ttlSeconds: number },
): Promise<ViewerToken> {
  return trx
    .insertInto('audit.viewer_tokens')
    .values({
      id: token.id,
      token_hash: token.tokenHash,
      tenant_id: token.tenantId,
      created_by: token.createdBy,
      expires_at: sql`now() + ${token.ttlSeconds} * interval '1 second'`,
    })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

/** Revokes a valid token. @returns undefined without one */
export async function revokeValidToken(
  trx: Transaction<Tables>,
  id: string,
): Promise<ViewerToken | undefined> {
  return trx
    .updateTable('audit.viewer_tokens')
    .set({ revoked_at: sql`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .returning(COLUMNS)
    .executeTakeFirst();
}

/** Lists valid tokens, newest first, behind the id `before`. */
export async function listValidTokens(
  db: Kysely<Tables>,
  page: { tenantId?: string | undefined; before?: string | undefined; limit: number },
): Promise<ViewerToken[]> {
  return db
    .selectFrom('audit.viewer_tokens')
    .select(COLUMNS)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .$if(page.tenantId !== undefined, (query) => query.where('tenant_id', '=', page.tenantId ?? ''))
    .$if(page.before !== undefined, (query) => query.where('id', '<', page.before ?? ''))
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}

/**
 * Finds the viewers of valid tokens, whose creators may still write events. Never cached, so that a
 * revocation holds from the next request on.
 */
async function findViewers(db: Kysely<Tables>, condition: RawBuilder<unknown>): Promise<Viewer[]> {
  const { rows } = await sql<{ id: string; tenant_id: string; expires_at: Date; role: string }>`
    select t.id, t.tenant_id, t.expires_at, u.role
    from audit.viewer_tokens t
    join shared.user_status u on u.user_id = t.created_by and u.status = 'active'
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

/** The ids of valid tokens among `ids`. */
export async function findValidTokenIds(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const viewers = await findViewers(db, sql`t.id = any(${ids}::uuid[])`);
  return new Set(viewers.map(({ tokenId }) => tokenId));
}

/** Deletes expired tokens; their events stay in the trail. @returns how many */
export async function deleteExpiredViewerTokens(db: Kysely<Tables>): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('audit.viewer_tokens')
    .where('expires_at', '<', sql<Date>`now()`)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
