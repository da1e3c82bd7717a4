import { Type } from 'typebox';
import { dateTime, strictObject } from '@muniment/server';
import { PermissionDenied, roleAllows, type Permission } from '@muniment/security';
import { InvalidCredentials } from '../errors.ts';
import { apiTokenRefused } from '../api-tokens/api-token-events.ts';
import { issueApiToken, TOKEN_TTL_S } from '../api-tokens/issue-api-token.ts';
import { lockTokenOwner } from '../api-tokens/api-token-queries.ts';
import { authenticatePassword } from '../sign-in/sign-in.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';
import { defineChannel } from './channel.ts';

/** What the other channels need. `POST /api/auth/tokens` makes tokens with other scopes. */
const SCOPES: readonly Permission[] = [
  'directory:read',
  'directory:write',
  'profile:delete',
  'profile:read',
  'profile:write',
];

const tokenSchema = Type.Object({
  success: Type.Literal(true),
  token: Type.String(),
  expires_at: dateTime,
});

/** Issues an API token of seven days for a password. */
export const authGenerateToken = defineChannel({
  name: 'auth/generateToken',
  operation: 'web-socket.generate_token',
  summary: 'Get an API token of seven days for the other channels.',
  answer: tokenSchema,
  access: 'public',
  payload: strictObject({ email: emailSchema, password: passwordSchema }),
  run: (server, request, payload) =>
    authenticatePassword(server, request, {
      credentials: payload,
      lock: 'update',
      // Not within the transaction: it would hold two connections.
      beforeSignIn: async ({ id, type }) => {
        const recordRefusal = (error: string) =>
          server.audit.record(request, apiTokenRefused(error, { ownerId: id, actorId: id }));
        await server.limits.consume([['token_creation', id]], () => recordRefusal('rate_limited'));
        if (roleAllows(type, 'tokens:manage')) return;
        await recordRefusal('permission_denied');
        throw new PermissionDenied();
      },
      onSignedIn: async (trx, user, record) => {
        const owner = await lockTokenOwner(trx, user.id);
        if (!owner) throw new InvalidCredentials();
        const wanted = {
          name: 'auth/generateToken',
          seconds: TOKEN_TTL_S,
          allowed_ips: [],
          scopes: SCOPES.filter((scope) => roleAllows(owner.type, scope)),
        };
        const { row, token } = await issueApiToken({ trx, record }, request, { owner, wanted });
        return {
          sessionId: null,
          result: { success: true as const, token, expires_at: row.expires_at.toISOString() },
        };
      },
    }),
});
