import { Type } from 'typebox';
import {
  CredentialsAmbiguous,
  isRefreshToken,
  OriginRefused,
  clientNetwork,
} from '@muniment/security';
import { defineRoute, nullable, strictObject, uuid } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';
import { RefreshTokenInvalid } from '../errors.ts';
import { refuseReusedParent, rotateSessionToken } from './rotate-token.ts';
import {
  rejectCrossOrigin,
  sendTokens,
  sessionQuerySchema,
  whileSessionLives,
  type SessionMode,
} from './session-cookies.ts';

/** Null where the token comes in its cookie. */
const bodySchema = nullable(
  strictObject({ refresh_token: Type.String({ minLength: 1, maxLength: 512 }) }),
);
const tokensSchema = Type.Object({
  token: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  expires_in: Type.Integer(),
  session_id: uuid,
});

type RefreshContext = Pick<UserContext, 'config' | 'data' | 'auth' | 'audit' | 'limits'>;

/** Spends a refresh token for new tokens (RFC 9700 §4.14.2). */
export const refreshSession = defineRoute({
  method: 'POST',
  url: '/api/auth/refresh',
  operation: 'sessions.refresh_session',
  summary: 'Exchange a refresh token for new tokens.',
  access: 'public',
  query: sessionQuerySchema,
  body: bodySchema,
  response: { 200: tokensSchema },
  errors: [OriginRefused, RefreshTokenInvalid],
  replayWhile: (context: RefreshContext) => async (answer, request) => {
    const { token } = readToken(context, request, {
      inBody: (request.body as { refresh_token: string } | null)?.refresh_token,
      wanted: 'token',
    });
    await refuseReusedParent(context, request, token);
    return whileSessionLives(context)(answer);
  },
  handler: (context: RefreshContext) => async (request, reply) => {
    const { token, mode } = readToken(context, request, {
      inBody: request.body?.refresh_token,
      wanted: request.query.session,
    });
    rejectCrossOrigin(context, request, mode);
    if (!isRefreshToken(token)) throw new RefreshTokenInvalid();
    await context.limits.consumeLocal(['refresh_network', clientNetwork(request.ip)]);
    const tokens = await rotateSessionToken(context, request, token);
    return sendTokens(context, reply, { tokens, mode });
  },
});

/** The token from body or cookie. @throws for two tokens or a foreign page */
function readToken(
  { auth: { cookies } }: Pick<UserContext, 'auth'>,
  request: FastifyRequest,
  { inBody, wanted }: { inBody: string | undefined; wanted: SessionMode },
): { token: string; mode: SessionMode } {
  const inCookie = cookies.refreshToken(request);
  if (inCookie === undefined) return { token: inBody ?? '', mode: wanted };
  if (request.body) throw new CredentialsAmbiguous();
  if (!cookies.isOwnPage(request)) throw new OriginRefused();
  return { token: inCookie, mode: 'cookie' };
}
