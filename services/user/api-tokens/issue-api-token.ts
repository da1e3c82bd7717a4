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
import {
  countLiveApiTokens,
  insertApiToken,
  type ListedApiToken,
  type TokenOwner,
} from './api-token-queries.ts';
import type { Tables } from '../tables.ts';

export const TOKEN_TTL_S = 7 * 86_400;
const MAX_TOKENS = 100;
const USER_AGENT_BYTES = 512;

export interface WantedApiToken {
  name: string;
  scopes: readonly Permission[];
  allowed_ips: readonly string[];
  seconds: number;
}

/** The scopes of a request, each once. @throws ScopeUnknown also for what no token may ever do */
export function readScopes(scopes: readonly string[]): Permission[] {
  const unknown = scopes.find((scope) => !isTokenScope(scope));
  if (unknown !== undefined) throw new ScopeUnknown();
  return [...new Set(scopes)].filter(isTokenScope).toSorted();
}

/** The ranges of a request in their one form, each once. @throws AllowListMalformed */
export function readAllowList(ranges: readonly string[]): string[] {
  const normalized = ranges.map(normalizeRange);
  if (normalized.includes(undefined)) throw new AllowListMalformed();
  return [...new Set(normalized.filter((range) => range !== undefined))];
}

/**
 * Makes a token for an owner whose row is locked, in the transaction of its event.
 * @returns the row, and the token, which is kept nowhere
 * @throws ScopeDenied for a scope beyond the owner's role, TooManyApiTokens
 */
export async function issueApiToken(
  trx: Transaction<Tables>,
  record: (event: RequestEvent) => Promise<string>,
  request: RequestContext,
  owner: TokenOwner,
  wanted: WantedApiToken,
): Promise<{ row: ListedApiToken; token: string }> {
  if (!wanted.scopes.every((scope) => roleAllows(owner.type, scope))) throw new ScopeDenied();
  if ((await countLiveApiTokens(trx, owner.id)) >= MAX_TOKENS) throw new TooManyApiTokens();
  const token = createApiToken();
  const userAgent = request.headers['user-agent'];
  const { seconds, ...kept } = wanted;
  const row = await insertApiToken(trx, {
    ...kept,
    seconds,
    id: uuidv7(Date.now()),
    user_id: owner.id,
    token_hash: hashApiToken(token),
    ip: request.ip,
    user_agent: userAgent === undefined ? null : cleanText(userAgent, USER_AGENT_BYTES),
  });
  await record({
    action: 'API_TOKEN_CREATED',
    user_id: request.principal?.id ?? owner.id,
    subject: { userId: request.principal?.id ?? owner.id },
    resource: row.id,
    resource_type: 'api_token',
    personal: { name: wanted.name, allowed_ips: wanted.allowed_ips },
    metadata: { owner: owner.id, scopes: wanted.scopes, expires_at: row.expires_at.toISOString() },
  });
  return { row, token };
}
