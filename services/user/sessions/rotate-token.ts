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
 * Exchanges a refresh token for its child. A retry gets the same child. Later, or once the child was
 * spent, the token's return is a reuse that ends the session.
 * @throws RefreshTokenInvalid for unknown, expired, revoked and reused tokens alike
 */
export async function rotateSessionToken(
  context: RotationContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens> {
  const rotated = await spendToken(context, request, parent);
  if (rotated) return rotated;
  const spent = await findSpentToken(context.data.db, hashRefreshToken(parent));
  if (!spent) return throwRefused(context, request, parent);
  const { sealed_child: sealedChild, child_spent: childSpent } = spent;
  if (sealedChild && !childSpent)
    return answerRetry(context, request, { parent, spent, sealedChild });
  return revokeReusedSession(context, request, spent);
}

/**
 * Refuses a stored answer whose refresh token was spent: it arrived, so its request is a reuse. The
 * event and the session's end are no part of the repeated request.
 * @throws RefreshTokenInvalid
 */
export async function refuseReusedParent(
  context: RotationContext,
  { id, ip, headers, principal, traceparent }: RequestContext,
  parent: string,
): Promise<void> {
  const spent = await findSpentToken(context.data.db, hashRefreshToken(parent));
  if (!spent?.child_spent) return;
  await revokeReusedSession(context, { id, ip, headers, principal, traceparent }, spent);
}

/** Undefined for an unknown, expired or spent token, and for one whose session has ended. */
async function spendToken(
  context: RotationContext,
  request: RequestContext,
  parent: string,
): Promise<SessionTokens | undefined> {
  const child = createRefreshToken();
  const rotation = {
    parentHash: hashRefreshToken(parent),
    // For a retry. Only the parent opens it, so the database holds no usable token.
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

/** A client that lost the answer retries: within `RETRY_WINDOW_S` it gets the same child. */
async function answerRetry(
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
  if (!live) return throwRefused(context, request, parent);
  const tokens = issueTokens(context, spent, openChild(parent, sealedChild));
  await context.audit.record(request, refreshRepeated(spent));
  return tokens;
}

/** A spent token that is no retry shows a theft, so its session ends (RFC 9700 §4.14.2). */
async function revokeReusedSession(
  { data, auth }: RotationContext,
  request: RequestContext,
  spent: SpentToken,
): Promise<never> {
  await data.inTransaction(request, async (trx, record) => {
    // Parallel requests may detect it. The one that ends the session records it.
    if (!(await revokeSession(trx, spent.session_id, 'refresh_token_reused')))
      throw new RefreshTokenInvalid();
    await record(tokenReuseDetected(spent));
  });
  afterCommit(request, () => auth.sessions.drop(spent.session_id));
  throw new RefreshTokenInvalid();
}

/** Records the refusal of a token that was once issued; a guessed one has no owner. */
async function throwRefused(
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
    appMetadata: session.app_metadata,
    sessionExpiresAt: session.lasts_until,
  });
  return {
    token,
    refresh_token: refreshToken,
    expires_in: expiresIn,
    session_id: session.session_id,
  };
}
