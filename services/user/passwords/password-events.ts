import type { RequestEvent } from '@muniment/server';
import { countRevoked, type RevokedAccess } from '../sign-in/revoke-access.ts';
import type { EmailAddress } from '../users/email-address.ts';
import { aboutUser } from '../users/user-events.ts';

/** A confirmation by password failed before an `action` that cannot be undone. */
export const confirmationFailed = (
  userId: string,
  action: string,
  error: 'rate_limited' | 'password_incorrect',
): RequestEvent => ({ action, outcome: 'failure', error, ...aboutUser(userId) });

/** The password rules refused the new password. */
export const passwordRefused = (userId: string, error: string): RequestEvent => ({
  action: 'PASSWORD_CHANGED',
  outcome: 'failure',
  error,
  subject: { userId },
  ...aboutUser(userId),
});

export const passwordChanged = (
  userId: string,
  { sessionsEnded, newSessionId }: { sessionsEnded: number; newSessionId: string },
): RequestEvent => ({
  action: 'PASSWORD_CHANGED',
  ...aboutUser(userId),
  metadata: { sessions_ended: sessionsEnded, new_session_id: newSessionId },
});

export const passwordReset = (userId: string, revoked: RevokedAccess): RequestEvent => ({
  action: 'PASSWORD_CHANGED',
  user_id: userId,
  subject: { userId },
  ...aboutUser(userId),
  metadata: { ...countRevoked(revoked), by: 'mail' },
});

export const recoveryRequested = ({ email, emailKey }: EmailAddress): RequestEvent => ({
  action: 'PASSWORD_RESET_REQUESTED',
  subject: { address: emailKey },
  personal: { email },
});

export const recoveryRateLimited = ({ email, emailKey }: EmailAddress): RequestEvent => ({
  action: 'PASSWORD_RESET_REQUESTED',
  outcome: 'failure',
  error: 'rate_limited',
  subject: { address: emailKey },
  personal: { email },
});

/** Names no actor, since nobody is authenticated. The owner sees the requester's address. */
export const resetCodeSent = (userId: string, email: string): RequestEvent => ({
  action: 'CODE_SENT',
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  metadata: { purpose: 'reset_password', channel: 'mail' },
});
