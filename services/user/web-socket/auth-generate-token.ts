import { Type } from 'typebox';
import { roleAllows, type Permission } from '@muniment/security';
import { InvalidCredentials } from '../errors.ts';
import { issueApiToken, TOKEN_TTL_S } from '../api-tokens/issue-api-token.ts';
import { lockTokenOwner } from '../api-tokens/api-token-queries.ts';
import { authenticatePassword } from '../sign-in/sign-in.ts';
import { emailSchema, passwordSchema } from '../users/user-resource.ts';
import { defineChannel } from './channel.ts';

/** What the other channels need, and no more: a token for other ends is made by `POST /api/auth/tokens`, with the scopes it is for. */
const SCOPES: readonly Permission[] = [
  'directory:read',
  'directory:write',
  'profile:delete',
  'profile:read',
  'profile:write',
];

/** An API token of seven days for address and password, checked as a login is and refused alike. */
export const authGenerateToken = defineChannel({
  name: 'auth/generateToken',
  token: false,
  payload: Type.Object(
    { email: emailSchema, password: passwordSchema },
    { additionalProperties: false },
  ),
  run: (server, request, payload) =>
    authenticatePassword(server, request, {
      credentials: payload,
      lock: 'update',
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
          result: { success: true, token, expires_at: row.expires_at.toISOString() },
        };
      },
    }),
});
