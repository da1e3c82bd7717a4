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

/** How the tokens of a session are handed over: `token` in the answer, `cookie` in cookies, of which scripts can read no more than the payload. */
export const sessionQuerySchema = Type.Object(
  { session: Type.Union([Type.Literal('token'), Type.Literal('cookie')], { default: 'token' }) },
  { additionalProperties: false },
);
export type SessionMode = Static<typeof sessionQuerySchema>['session'];

type CookieServer = Pick<UserContext, 'config' | 'cookies'>;

/** Where the refresh token's cookie is sent to; a `__Host-` cookie must be for `/`. */
const refreshPath = ({ config }: CookieServer): string =>
  config.COOKIE_HOST_PREFIX ? '/' : '/api/auth/refresh';
const ATTRIBUTES = { secure: true, sameSite: 'strict' } as const;

/** Before anything else where an answer may set cookies. @throws `origin_refused` for a page that is not ours (login CSRF, OWASP ASVS 3.5.1) */
export function rejectCrossOrigin(
  { cookies }: CookieServer,
  request: FastifyRequest,
  mode: SessionMode,
): void {
  if (mode === 'cookie' && cookies.isForeignPage(request)) throw new OriginRefused();
}

/** The mode of the session that a signed-in request came with. */
export const modeOf = ({ cookies }: CookieServer, request: FastifyRequest): SessionMode =>
  cookies.accessToken(request) ? 'cookie' : 'token';

/** What of a session's tokens goes into the answer's body; in cookie mode the rest is set as cookies. */
export function sendTokens(
  server: CookieServer,
  reply: FastifyReply,
  tokens: SessionTokens,
  mode: SessionMode,
): Partial<SessionTokens> & Pick<SessionTokens, 'expires_in' | 'session_id'> {
  if (mode === 'token') return tokens;
  setSessionCookies(server, reply, tokens);
  return { expires_in: tokens.expires_in, session_id: tokens.session_id };
}

export function setSessionCookies(
  server: CookieServer,
  reply: FastifyReply,
  { token, refresh_token, expires_in, device_token }: SessionTokens,
): void {
  const { names } = server.cookies;
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
    path: refreshPath(server),
    maxAge: server.config.REFRESH_TOKEN_TTL_S,
    httpOnly: true,
  });
  // Stays when the session ends: the device is known all the same.
  if (device_token !== undefined)
    reply.setCookie(names.device, device_token, {
      ...ATTRIBUTES,
      path: '/',
      maxAge: DEVICE_TOKEN_TTL_S,
      httpOnly: true,
    });
}

/** After the session of a request has ended: takes its cookies from the browser, where it came with any. */
export function clearSessionCookies(
  server: CookieServer,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (modeOf(server, request) === 'token') return;
  const { names } = server.cookies;
  reply.clearCookie(names.loginInfo, { ...ATTRIBUTES, path: '/' });
  reply.clearCookie(names.secure, { ...ATTRIBUTES, path: '/', httpOnly: true });
  reply.clearCookie(names.refreshToken, {
    ...ATTRIBUTES,
    path: refreshPath(server),
    httpOnly: true,
  });
}

/** For answers with the tokens of a session: under an Idempotency-Key they are given again only while that session lives. */
export const whileSessionLives =
  ({ db }: Pick<UserContext, 'db'>) =>
  async (answer: unknown): Promise<boolean> => {
    const { session_id: id, sessionData } = answer as {
      session_id?: string;
      sessionData?: { clientId: string };
    };
    const sessionId = id ?? sessionData?.clientId;
    return sessionId !== undefined && (await queryLiveSessions(db)([sessionId])).length === 1;
  };
