import {
  DEVICE_TOKEN_TTL_S,
  OriginRefused,
  queryLiveSessions,
  splitToken,
} from '@muniment/security';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import type { SessionTokens } from './open-session.ts';
import type { UserContext } from '../context.ts';
import { isSessionRefreshed } from './refresh-token-queries.ts';

/** `token`: tokens are in the body. `cookie`: in cookies; scripts read only the payload. */
export const sessionQuerySchema = Type.Object(
  {
    session: Type.Union([Type.Literal('token'), Type.Literal('cookie')], {
      default: 'token',
      description: '`token` answers with the tokens; `cookie` sets cookies instead, for pages.',
    }),
  },
  { additionalProperties: false },
);
export type SessionMode = Static<typeof sessionQuerySchema>['session'];

type CookieContext = Pick<UserContext, 'config' | 'auth'>;

/** Path of the refresh cookie; `__Host-` demands `/`. */
const refreshPath = ({ config }: CookieContext): string =>
  config.COOKIE_HOST_PREFIX ? '/' : '/api/auth/refresh';
const ATTRIBUTES = { secure: true, sameSite: 'strict' } as const;

/** Stops login CSRF by foreign pages (OWASP ASVS 3.5.1). @throws OriginRefused */
export function rejectCrossOrigin(
  { auth }: Pick<UserContext, 'auth'>,
  request: FastifyRequest,
  mode: SessionMode,
): void {
  if (mode === 'cookie' && auth.cookies.isForeignPage(request)) throw new OriginRefused();
}

/** The mode of the session that a signed-in request came with. */
export const modeOf = ({ auth }: Pick<UserContext, 'auth'>, request: FastifyRequest): SessionMode =>
  auth.cookies.accessToken(request) ? 'cookie' : 'token';

/** The body with new tokens; in cookie mode cookies carry them. */
export function sendTokens(
  context: CookieContext,
  reply: FastifyReply,
  { tokens, mode }: { tokens: SessionTokens; mode: SessionMode },
): Partial<SessionTokens> & Pick<SessionTokens, 'expires_in' | 'session_id'> {
  if (mode === 'token') return tokens;
  setSessionCookies(context, reply, tokens);
  return { expires_in: tokens.expires_in, session_id: tokens.session_id };
}

export function setSessionCookies(
  context: CookieContext,
  reply: FastifyReply,
  { token, refresh_token, expires_in, device_token }: SessionTokens,
): void {
  const { names } = context.auth.cookies;
  const { loginInfo, secure } = splitToken(token);
  reply.setCookie(names.loginInfo, loginInfo, { ...ATTRIBUTES, path: '/', maxAge: expires_in });
  reply.setCookie(names.secure, secure, {
    ...ATTRIBUTES,
    path: '/',
    maxAge: expires_in,
    httpOnly: true,
  });
  reply.setCookie(names.refreshToken, refresh_token, {
    ...ATTRIBUTES,
    path: refreshPath(context),
    maxAge: context.config.REFRESH_TOKEN_TTL_S,
    httpOnly: true,
  });
  if (device_token !== undefined) setDeviceCookie(context, reply, device_token);
}

/** It outlives the session: the device stays known. */
export function setDeviceCookie(
  { auth }: Pick<UserContext, 'auth'>,
  reply: FastifyReply,
  deviceToken: string,
): void {
  reply.setCookie(auth.cookies.names.device, deviceToken, {
    ...ATTRIBUTES,
    path: '/',
    maxAge: DEVICE_TOKEN_TTL_S,
    httpOnly: true,
  });
}

/** Removes an ended session's cookies, where the request came with them. */
export function clearSessionCookies(
  context: CookieContext,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (modeOf(context, request) === 'token') return;
  const { names } = context.auth.cookies;
  reply.clearCookie(names.loginInfo, { ...ATTRIBUTES, path: '/' });
  reply.clearCookie(names.secure, { ...ATTRIBUTES, path: '/', httpOnly: true });
  reply.clearCookie(names.refreshToken, {
    ...ATTRIBUTES,
    path: refreshPath(context),
    httpOnly: true,
  });
}

type WhileValid = (context: Pick<UserContext, 'data'>) => (answer: unknown) => Promise<boolean>;

function sessionIdOf(answer: unknown): string | undefined {
  const { session_id: id, sessionData } = answer as {
    session_id?: string;
    sessionData?: { clientId: string };
  };
  return id ?? sessionData?.clientId;
}

/** Replays an answer with tokens only while their session lives. */
export const whileSessionLives: WhileValid =
  ({ data: { db } }) =>
  async (answer) => {
    const id = sessionIdOf(answer);
    return id !== undefined && (await queryLiveSessions(db)([id])).length === 1;
  };

/** The same for the answer that opened the session, until its refresh token is spent. */
export const whileUnrefreshed: WhileValid = (context) => async (answer) => {
  const id = sessionIdOf(answer);
  if (id === undefined || !(await whileSessionLives(context)(answer))) return false;
  return !(await isSessionRefreshed(context.data.db, id));
};
