import { Type } from 'typebox';
import {
  createRefreshToken,
  CredentialsAmbiguous,
  hashRefreshToken,
  isRefreshToken,
  openChild,
  OriginRefused,
  sealChild,
} from '@muniment/security';
import { afterCommit, clientNetwork, type RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { RefreshTokenInvalid } from '../errors.ts';
import type { SessionTokens } from './open-session.ts';
import {
  sendTokens,
  rejectCrossOrigin,
  sessionQuerySchema,
  whileSessionLives,
} from './session-cookies.ts';
import {
  findSpentToken,
  findTokenOwner,
  rotateRefreshToken,
  type RefreshedSession,
} from './refresh-token-queries.ts';
import { revokeSession } from './session-queries.ts';

const bodySchema = Type.Union([
  Type.Object(
    { refresh_token: Type.String({ minLength: 1, maxLength: 512 }) },
    { additionalProperties: false },
  ),
  // None where the token comes in its cookie.
  Type.Null(),
]);
const tokensSchema = Type.Object({
  token: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  expires_in: Type.Integer(),
  session_id: Type.String({ format: 'uuid' }),
});

/** `POST /api/auth/refresh`: a new pair of tokens for a refresh token, which is spent by it (RFC 9700 §4.14.2). */
export function refreshSessionRoute(server: UserContext): void {
  const { app, cookies } = server;
  app.route({
    method: 'POST',
    url: '/api/auth/refresh',
    schema: { querystring: sessionQuerySchema, body: bodySchema, response: { 200: tokensSchema } },
    config: {
      operation: 'session.refresh',
      access: 'public',
      replayWhile: whileSessionLives(server),
    },
    handler: async (request, reply) => {
      const inCookie = cookies.refreshToken(request);
      const mode = inCookie === undefined ? request.query.session : 'cookie';
      if (inCookie !== undefined && request.body) throw new CredentialsAmbiguous();
      if (inCookie !== undefined && !cookies.isOwnPage(request)) throw new OriginRefused();
      rejectCrossOrigin(server, request, mode);
      const parent = inCookie ?? request.body?.refresh_token ?? '';
      if (!isRefreshToken(parent)) throw new RefreshTokenInvalid();
      await server.localLimits.consume(['refresh_network', clientNetwork(request.ip)]);
      const tokens =
        (await rotate(server, request, parent)) ?? (await answerSpent(server, request, parent));
      return sendTokens(server, reply, tokens, mode);
    },
  });
}

function answer(
  { app, sessionsLastSeen }: UserContext,
  session: RefreshedSession,
  refreshToken: string,
): SessionTokens {
  sessionsLastSeen.seen(session.session_id);
  const { token, expiresIn } = app.accessTokens.issue({
    userId: session.user_id,
    sessionId: session.session_id,
    role: session.role,
    sessionExpiresAt: session.lasts_until,
  });
  return {
    token,
    refresh_token: refreshToken,
    expires_in: expiresIn,
    session_id: session.session_id,
  };
}

/** Spends the token; undefined when it is not there to be spent. */
async function rotate(
  server: UserContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens | undefined> {
  const child = createRefreshToken();
  const rotation = {
    parentHash: hashRefreshToken(parent),
    sealedChild: sealChild(parent, child),
    childHash: hashRefreshToken(child),
    ttlSeconds: server.config.REFRESH_TOKEN_TTL_S,
  };
  try {
    return await server.inTransaction(request, async (trx, record) => {
      const session = await rotateRefreshToken(trx, rotation);
      if (!session) throw new RefreshTokenInvalid();
      await record({
        action: 'TOKEN_REFRESHED',
        user_id: session.user_id,
        session_id: session.session_id,
        subject: { userId: session.user_id },
        resource: session.session_id,
        resource_type: 'session',
      });
      return answer(server, session, child);
    });
  } catch (error) {
    if (error instanceof RefreshTokenInvalid) return undefined;
    throw error;
  }
}

/**
 * An identical retry within ten seconds gets the child it lost, and an event that says so: were it a thief, the trail would show from where. A spent token
 * that comes later was stolen on one side or the other, so its session ends.
 */
async function answerSpent(
  server: UserContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens> {
  const spent = await findSpentToken(server.db, hashRefreshToken(parent));
  if (!spent) return refuse(server, request, parent);
  const about = {
    session_id: spent.session_id,
    subject: { userId: spent.user_id },
    resource: spent.session_id,
    resource_type: 'session',
  };
  if (spent.sealed_child) {
    // What was found may have lain unread while this replica was stopped. This is of within a second, and a token's time begins with it.
    if (
      !(
        await server.sessions.isLive({
          sessionId: spent.session_id,
          userId: spent.user_id,
          role: spent.role,
        })
      ).live
    )
      return refuse(server, request, parent);
    const tokens = answer(server, spent, openChild(parent, spent.sealed_child));
    await server.recordFor(request, {
      ...about,
      action: 'TOKEN_REFRESHED',
      user_id: spent.user_id,
      metadata: { retry: true },
    });
    return tokens;
  }
  await server.inTransaction(request, async (trx, record) => {
    // Of several who find out at once, the one that ends the session says so.
    if (!(await revokeSession(trx, spent.session_id, 'refresh_token_reused')))
      throw new RefreshTokenInvalid();
    await record({
      ...about,
      action: 'TOKEN_REUSE_DETECTED',
      outcome: 'failure',
      error: 'refresh_token_reused',
    });
  });
  afterCommit(request, () => server.sessions.drop(spent.session_id));
  throw new RefreshTokenInvalid();
}

/** A token that was somebody's and counts no more is an event of theirs; one that never was is anybody's guess, and none. */
async function refuse(
  server: UserContext,
  request: RequestContext,
  parent: string,
): Promise<never> {
  const owner = await findTokenOwner(server.db, hashRefreshToken(parent));
  if (owner) {
    await server.recordFor(request, {
      action: 'TOKEN_REFRESHED',
      outcome: 'failure',
      error: 'refresh_token_invalid',
      session_id: owner.session_id,
      subject: { userId: owner.user_id },
      resource: owner.session_id,
      resource_type: 'session',
    });
  }
  throw new RefreshTokenInvalid();
}
