import type { RequestEvent } from '@muniment/server';
import type { User } from '../tables.ts';
import type { EmailAddress } from '../users/email-address.ts';
import { aboutUser } from '../users/user-events.ts';
import { countRevoked, type RevokedAccess } from './revoke-access.ts';

/** `sessionId` is null where no session is opened. */
interface Opened {
  email: string;
  sessionId: string | null;
}

export const loginSucceeded = (userId: string, { email, sessionId }: Opened): RequestEvent => ({
  action: 'LOGIN_SUCCESS',
  user_id: userId,
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  session_id: sessionId,
});

/** Names no actor, since nobody is authenticated. The owner of a known account may read it. */
export const loginFailed = (
  { email, emailKey }: EmailAddress,
  user: Pick<User, 'id'> | undefined,
  error: string,
): RequestEvent => ({
  action: 'LOGIN_FAIL',
  outcome: 'failure',
  error,
  personal: { email },
  subject: user ? { userId: user.id } : { address: emailKey },
  resource: user?.id ?? null,
  resource_type: user ? 'user' : null,
});

export const signupSucceeded = (
  { id, type }: Pick<User, 'id' | 'type'>,
  { email, sessionId }: Opened,
): RequestEvent => ({
  action: 'SIGNUP_SUCCESS',
  user_id: id,
  subject: { userId: id },
  personal: { email },
  ...aboutUser(id),
  session_id: sessionId,
  metadata: { type },
});

export const signupFailed = ({ email, emailKey }: EmailAddress, error: string): RequestEvent => ({
  action: 'SIGNUP_FAIL',
  outcome: 'failure',
  error,
  subject: { address: emailKey },
  personal: { email },
});

/** Names the network whose attempt exceeded the limit, and no account. */
export const stuffingDetected = (ip: string, pattern: string): RequestEvent => ({
  action: 'CREDENTIAL_STUFFING_DETECTED',
  outcome: 'failure',
  error: pattern,
  metadata: { pattern },
  subject: { address: ip },
});

/** A link by which the mailbox's owner sets the first or a new password. */
export const passwordLinkSent = (userId: string, email: string): RequestEvent => ({
  action: 'CODE_SENT',
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  metadata: { purpose: 'set_password', channel: 'mail' },
});

interface MadeAdministrator extends Opened {
  /** The account before; undefined for a new one. */
  existing: Pick<User, 'status'> | undefined;
  /** What ended with a password that nobody had proved to be the owner's. */
  revoked: RevokedAccess | undefined;
}

/** An operator made an account an administrator's. */
export const administratorMade = (
  userId: string,
  { existing, revoked, email, sessionId }: MadeAdministrator,
): RequestEvent => ({
  action: existing ? 'USER_UPDATED' : 'USER_CREATED',
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  session_id: sessionId,
  metadata: {
    fields: [
      ...(revoked ? ['password'] : []),
      ...(existing?.status === 'active' ? [] : ['status']),
      'type',
    ],
    ...(revoked && countRevoked(revoked)),
    type: 'admin',
    status: 'active',
    by: 'operator',
  },
});
