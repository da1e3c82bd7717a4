import { createRefreshToken, hashRefreshToken, openChild, sealChild } from '@muniment/security';
import { afterCommit, type RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { RefreshTokenInvalid } from '../errors.ts';
import type { SessionTokens } from './open-session.ts';
import {
  findSpentToken,
  findTokenOwner,
  rotateRefreshToken,
  type RefreshedSession,
  type SpentToken,
} from './refresh-token-queries.ts';
import {
  refreshRefused,
  refreshRepeated,
  tokenRefreshed,
  tokenReuseDetected,
} from './session-events.ts';
import { revokeSession } from './session-queries.ts';

type RotationContext = Pick<UserContext, 'config' | 'data' | 'auth' | 'audit'>;

/**
 * Spends a refresh token and returns its child.
 * @throws RefreshTokenInvalid for unknown, expired, revoked and reused tokens alike
 */
export async function rotateSessionToken(
  context: RotationContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens> {
  const rotated = await spend(context, request, parent);
  if (rotated) return rotated;
  const spent = await findSpentToken(context.data.db, hashRefreshToken(parent));
  if (!spent) return refuse(context, request, parent);
  const { sealed_child: sealedChild } = spent;
  if (sealedChild) return repeat(context, request, { parent, spent, sealedChild });
  return endReusedSession(context, request, spent);
}

/** Undefined when the token is not there to be spent. */
async function spend(
  context: RotationContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens | undefined> {
  const child = createRefreshToken();
  const rotation = {
    parentHash: hashRefreshToken(parent),
    sealedChild: sealChild(parent, child),
    childHash: hashRefreshToken(child),
    ttlSeconds: context.config.REFRESH_TOKEN_TTL_S,
  };
  try {
    return await context.data.inTransaction(request, async (trx, record) => {
      const session = await rotateRefreshToken(trx, rotation);
      if (!session) throw new RefreshTokenInvalid();
      await record(tokenRefreshed(session));
      return issueTokens(context, session, child);
    });
  } catch (error) {
    if (error instanceof RefreshTokenInvalid) return undefined;
    throw error;
  }
}

/** An identical retry within ten seconds gets the child that it lost. */
async function repeat(
  context: RotationContext,
  request: RequestContext,
  { parent, spent, sealedChild }: { parent: string; spent: SpentToken; sealedChild: Buffer },
): Promise<SessionTokens> {
  // Looked up again: the process may have been suspended since it read the row.
  const { live } = await context.auth.sessions.isLive({
    sessionId: spent.session_id,
    userId: spent.user_id,
    role: spent.role,
  });
  if (!live) return refuse(context, request, parent);
  const tokens = issueTokens(context, spent, openChild(parent, sealedChild));
  await context.audit.record(request, refreshRepeated(spent));
  return tokens;
}

/** Ends the session: a spent token that returns late was stolen. */
async function endReusedSession(
  { data, auth }: RotationContext,
  request: RequestContext,
  spent: SpentToken,
): Promise<never> {
  await data.inTransaction(request, async (trx, record) => {
    // Several may find out at once. The one that ends the session records it.
    if (!(await revokeSession(trx, spent.session_id, 'refresh_token_reused')))
      throw new RefreshTokenInvalid();
    await record(tokenReuseDetected(spent));
  });
  afterCommit(request, () => auth.sessions.drop(spent.session_id));
  throw new RefreshTokenInvalid();
}

/** Records a formerly valid token for its owner; guesses are not recorded. */
async function refuse(
  { data, audit }: RotationContext,
  request: RequestContext,
  parent: string,
): Promise<never> {
  const owner = await findTokenOwner(data.db, hashRefreshToken(parent));
  if (owner) await audit.record(request, refreshRefused(owner));
  throw new RefreshTokenInvalid();
}

function issueTokens(
  { auth }: Pick<UserContext, 'auth'>,
  session: RefreshedSession,
  refreshToken: string,
): SessionTokens {
  auth.sessionsLastSeen.seen(session.session_id);
  const { token, expiresIn } = auth.accessTokens.issue({
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
