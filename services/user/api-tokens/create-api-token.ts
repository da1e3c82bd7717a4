import { Type, type Static } from 'typebox';
import { principalOf, sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import { defineRoute, strictObject, uuid, type RequestContext } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';
import {
  AllowListMalformed,
  ScopeDenied,
  ScopeUnknown,
  ServiceAccountNotFound,
  TooManyApiTokens,
} from '../errors.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { apiTokenRefused } from './api-token-events.ts';
import { isApiTokenLive, lockTokenOwner } from './api-token-queries.ts';
import { apiTokenSchema, toApiTokenResource } from './api-token-resource.ts';
import {
  issueApiToken,
  readAllowList,
  readScopes,
  TOKEN_TTL_S,
  type IssuedApiToken,
  type WantedApiToken,
} from './issue-api-token.ts';
import { findTokenOwnerId } from './token-owner.ts';

const scopeSchema = Type.String({ minLength: 1, maxLength: 100 });
const rangeSchema = Type.String({ minLength: 2, maxLength: 50 });

const bodySchema = strictObject({
  name: Type.String({ minLength: 1, maxLength: 100 }),
  scopes: Type.Array(scopeSchema, { minItems: 1, maxItems: 50 }),
  expires_in: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: 365 * 86_400,
      description: 'Seconds; seven days when absent.',
    }),
  ),
  allowed_ips: Type.Optional(
    Type.Array(rangeSchema, {
      maxItems: 50,
      description: 'Addresses or CIDR ranges; any address when empty.',
    }),
  ),
  user_id: Type.Optional(
    Type.String({ ...uuid, description: 'A service account, for administrators.' }),
  ),
});

type CreateContext = Pick<UserContext, 'data' | 'audit' | 'limits'>;

/** Creates an API token. Only this answer shows it. */
export const createApiToken = defineRoute({
  method: 'POST',
  url: '/api/auth/tokens',
  operation: 'api-tokens.create_api_token',
  summary: 'Create an API token.',
  access: { permission: 'tokens:manage' },
  body: bodySchema,
  response: { 201: Type.Object({ ...apiTokenSchema.properties, token: Type.String() }) },
  errors: [AllowListMalformed, ScopeDenied, ScopeUnknown, ServiceAccountNotFound, TooManyApiTokens],
  replayWhile:
    ({ data }: CreateContext) =>
    async (answer) =>
      isApiTokenLive(data.db, (answer as { id: string }).id),
  handler: (context: CreateContext) => async (request, reply) => {
    const wanted = readWanted(request.body);
    const { id: callerId } = principalOf(request);
    await context.limits.consume([['token_creation', callerId]], () =>
      context.audit.record(request, apiTokenRefused('rate_limited', { ownerId: callerId })),
    );
    const ownerId = await findTokenOwnerId(context, request, request.body.user_id);
    const { row, token } = await issueTo(context, request, { ownerId, wanted });
    return reply.code(201).send({ ...toApiTokenResource(row), token });
  },
});

function readWanted(body: Static<typeof bodySchema>): WantedApiToken {
  const { name, expires_in: seconds = TOKEN_TTL_S, allowed_ips: ranges = [] } = body;
  return { name, seconds, scopes: readScopes(body.scopes), allowed_ips: readAllowList(ranges) };
}

async function issueTo(
  { data, audit }: CreateContext,
  request: FastifyRequest & RequestContext,
  { ownerId, wanted }: { ownerId: string; wanted: WantedApiToken },
): Promise<IssuedApiToken> {
  try {
    return await data.inTransaction(request, async (trx, record) => {
      const owner = await lockTokenOwner(trx, ownerId);
      // Under the lock: neither an ended session nor a demoted owner gets a token.
      if (!owner || !(await isCallerLive(trx, sessionPrincipalOf(request))))
        throw new Unauthenticated();
      return issueApiToken({ trx, record }, request, { owner, wanted });
    });
  } catch (error) {
    if (error instanceof ScopeDenied || error instanceof TooManyApiTokens) {
      const { scopes } = wanted;
      await audit.record(request, apiTokenRefused(error.code.toLowerCase(), { ownerId, scopes }));
    }
    throw error;
  }
}
