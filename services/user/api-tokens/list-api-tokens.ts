import { Type } from 'typebox';
import {
  CursorInvalid,
  decodeCursor,
  defineRoute,
  pageOf,
  pageQuery,
  toPage,
  uuid,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { ServiceAccountNotFound } from '../errors.ts';
import { listLiveApiTokens } from './api-token-queries.ts';
import { apiTokenSchema, toApiTokenResource } from './api-token-resource.ts';
import { findTokenOwnerId } from './token-owner.ts';

const querySchema = pageQuery({
  user_id: Type.Optional(
    Type.String({ ...uuid, description: 'A service account, for administrators.' }),
  ),
});

/** Lists live tokens, newest first. `last_used_at` lags by a minute. */
export const listApiTokens = defineRoute({
  method: 'GET',
  url: '/api/auth/tokens',
  operation: 'api-tokens.list_api_tokens',
  summary: 'List the live API tokens of the caller.',
  access: { permission: 'tokens:manage' },
  query: querySchema,
  response: { 200: pageOf(apiTokenSchema) },
  errors: [CursorInvalid, ServiceAccountNotFound],
  handler: (context: Pick<UserContext, 'data' | 'audit'>) => async (request) => {
    const { limit, cursor, user_id: wantedId } = request.query;
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const ownerId = await findTokenOwnerId(context, request, wantedId);
    const page = { limit: limit + 1, before };
    const rows = await listLiveApiTokens(context.data.db, ownerId, page);
    return toPage(rows, limit, toApiTokenResource);
  },
});
