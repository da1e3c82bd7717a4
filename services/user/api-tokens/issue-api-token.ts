import { cleanText } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import {
  createApiToken,
  hashApiToken,
  isTokenScope,
  normalizeRange,
  roleAllows,
  type Permission,
} from '@muniment/security';
import type { RequestContext, RequestEvent } from '@muniment/server';
import type { Transaction } from 'kysely';
import { AllowListMalformed, ScopeDenied, ScopeUnknown, TooManyApiTokens } from '../errors.ts';
import type { Tables } from '../tables.ts';
import { apiTokenCreated } from './api-token-events.ts';
import {
  countLiveApiTokens,
  insertApiToken,
  type ListedApiToken,
  type TokenOwner,
} from './api-token-queries.ts';

export const TOKEN_TTL_S = 7 * 86_400;
const MAX_TOKENS = 100;
const USER_AGENT_BYTES = 512;

export interface WantedApiToken {
  name: string;
  scopes: readonly Permission[];
  allowed_ips: readonly string[];
  seconds: number;
}

export interface IssuedApiToken {
  row: ListedApiToken;
  /** Its only copy. */
  token: string;
}

/** The sorted, unique scopes of a request. @throws ScopeUnknown */
export function readScopes(scopes: readonly string[]): Permission[] {
  const known = scopes.filter(isTokenScope);
  if (known.length < scopes.length) throw new ScopeUnknown();
  return [...new Set(known)].toSorted();
}

/** The unique, normalized ranges of a request. @throws AllowListMalformed */
export function readAllowList(ranges: readonly string[]): string[] {
  const normalized = ranges.map(normalizeRange).filter((range) => range !== undefined);
  if (normalized.length < ranges.length) throw new AllowListMalformed();
  return [...new Set(normalized)];
}

/** Issues a token to an owner whose row is locked. @throws ScopeDenied, TooManyApiTokens */
export async function issueApiToken(
  { trx, record }: { trx: Transaction<Tables>; record: (event: RequestEvent) => Promise<string> },
  request: RequestContext,
  { owner, wanted }: { owner: TokenOwner; wanted: WantedApiToken },
): Promise<IssuedApiToken> {
  if (!wanted.scopes.every((scope) => roleAllows(owner.type, scope))) throw new ScopeDenied();
  if ((await countLiveApiTokens(trx, owner.id)) >= MAX_TOKENS) throw new TooManyApiTokens();
  const token = createApiToken();
  const userAgent = request.headers['user-agent'];
  const row = await insertApiToken(trx, {
    ...wanted,
    id: uuidv7(Date.now()),
    user_id: owner.id,
    token_hash: hashApiToken(token),
    ip: request.ip,
    user_agent: userAgent === undefined ? null : cleanText(userAgent, USER_AGENT_BYTES),
  });
  const event = apiTokenCreated({
    id: row.id,
    ownerId: owner.id,
    actorId: request.principal?.id ?? owner.id,
    name: wanted.name,
    scopes: wanted.scopes,
    allowedIps: wanted.allowed_ips,
    expiresAt: row.expires_at,
  });
  await record(event);
  return { row, token };
}
