import { Type } from 'typebox';
import { principalOf, sessionPrincipalOf, Unauthenticated } from '@muniment/security';
import { apiTokenSchema, toApiTokenResource } from './api-token-resource.ts';
import { ScopeDenied, TooManyApiTokens } from '../errors.ts';
import { issueApiToken, readAllowList, readScopes, TOKEN_TTL_S } from './issue-api-token.ts';
import { isApiTokenLive, lockTokenOwner } from './api-token-queries.ts';
import { isCallerLive } from '../users/caller-queries.ts';
import { tokenOwnerOf } from './token-owner.ts';
import type { UserContext } from '../context.ts';

const bodySchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    scopes: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      minItems: 1,
      maxItems: 50,
    }),
    expires_in: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 365 * 86_400,
        description: 'Seconds; seven days when absent.',
      }),
    ),
    allowed_ips: Type.Optional(
      Type.Array(Type.String({ minLength: 2, maxLength: 50 }), {
        maxItems: 50,
        description: 'Addresses or CIDR ranges; from everywhere when empty.',
      }),
    ),
    user_id: Type.Optional(
      Type.String({ format: 'uuid', description: "A service account's, for administrators." }),
    ),
  },
  { additionalProperties: false },
);

/** `POST /api/auth/tokens`: an API token of the caller, or for an administrator of a service account. It is told in this answer and never again. */
export function createApiTokenRoute(server: UserContext): void {
  const { app, db, inTransaction, recordFor } = server;
  app.route({
    method: 'POST',
    url: '/api/auth/tokens',
    schema: {
      body: bodySchema,
      response: { 201: Type.Object({ ...apiTokenSchema.properties, token: Type.String() }) },
    },
    config: {
      operation: 'token.create',
      access: { permission: 'tokens:manage' },
      replayWhile: async (answer) => isApiTokenLive(db, (answer as { id: string }).id),
    },
    handler: async (request, reply) => {
      const {
        name,
        expires_in: seconds = TOKEN_TTL_S,
        allowed_ips: allowedIps = [],
        user_id: userId,
      } = request.body;
      const wanted = {
        name,
        seconds,
        scopes: readScopes(request.body.scopes),
        allowed_ips: readAllowList(allowedIps),
      };
      await server.limits.consume([['token_creation', principalOf(request).id]], () =>
        recordFor(request, {
          action: 'API_TOKEN_CREATED',
          outcome: 'failure',
          error: 'rate_limited',
          resource: principalOf(request).id,
          resource_type: 'user',
        }),
      );
      const ownerId = await tokenOwnerOf(server, request, userId);
      const made = await inTransaction(request, async (trx, record) => {
        const owner = await lockTokenOwner(trx, ownerId);
        // Looked at under the lock: a session that has ended leaves no token behind, and neither does a demotion.
        if (!owner || !(await isCallerLive(trx, sessionPrincipalOf(request))))
          throw new Unauthenticated();
        return issueApiToken(trx, record, request, owner, wanted);
      }).catch(async (error: unknown) => {
        if (error instanceof ScopeDenied || error instanceof TooManyApiTokens) {
          await recordFor(request, {
            action: 'API_TOKEN_CREATED',
            outcome: 'failure',
            error: error.code.toLowerCase(),
            resource: ownerId,
            resource_type: 'user',
            metadata: { scopes: wanted.scopes },
          });
        }
        throw error;
      });
      return reply.code(201).send({ ...toApiTokenResource(made.row), token: made.token });
    },
  });
}
