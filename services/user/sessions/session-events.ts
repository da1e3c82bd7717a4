import type { RequestEvent } from '@muniment/server';

/** A session whose cookies are about to be overwritten. */
export interface ReplacedSession {
  id: string;
  userId: string;
}

/** A session as an event names it, also when nobody is authenticated. */
interface EventSession {
  session_id: string;
  user_id: string;
}

export const sessionRevoked = (id: string): RequestEvent => ({
  action: 'SESSION_REVOKED',
  resource: id,
  resource_type: 'session',
});

export const otherSessionsRevoked = (userId: string, count: number): RequestEvent => ({
  action: 'SESSION_REVOKED',
  resource: userId,
  resource_type: 'user',
  metadata: { sessions_ended: count },
});

/** The browser's earlier session, ended by its own user's browser. */
export const sessionReplaced = ({ id, userId }: ReplacedSession): RequestEvent => ({
  ...sessionRevoked(id),
  user_id: userId,
  subject: { userId },
  session_id: id,
  metadata: { reason: 'signed_in_again' },
});

export const loggedOut = (id: string): RequestEvent => ({
  action: 'LOGOUT',
  resource: id,
  resource_type: 'session',
});

const aboutSession = ({ session_id, user_id }: EventSession) => ({
  session_id,
  subject: { userId: user_id },
  resource: session_id,
  resource_type: 'session',
});

export const tokenRefreshed = (session: EventSession): RequestEvent => ({
  ...aboutSession(session),
  action: 'TOKEN_REFRESHED',
  user_id: session.user_id,
});

/** A retry got the child again; the trail shows its address. */
export const refreshRepeated = (session: EventSession): RequestEvent => ({
  ...tokenRefreshed(session),
  metadata: { retry: true },
});

export const refreshRefused = (session: EventSession): RequestEvent => ({
  ...aboutSession(session),
  action: 'TOKEN_REFRESHED',
  outcome: 'failure',
  error: 'refresh_token_invalid',
});

export const tokenReuseDetected = (session: EventSession): RequestEvent => ({
  ...aboutSession(session),
  action: 'TOKEN_REUSE_DETECTED',
  outcome: 'failure',
  error: 'refresh_token_reused',
});
