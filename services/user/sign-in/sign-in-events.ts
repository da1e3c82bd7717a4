import type { PrivilegedRole } from '@muniment/security';
import type { RequestEvent } from '@muniment/server';
import type { User } from '../tables.ts';
import type { EmailAddress } from '../users/email-address.ts';
import { aboutUser } from '../users/user-events.ts';
import type { GrantedRole } from './grant-role.ts';
import { countRevoked } from './revoke-access.ts';

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

interface MadePrivilegedUser extends Opened {
  /** The account before; undefined for a new one. */
  existing: Pick<User, 'status'> | undefined;
  granted: GrantedRole | undefined;
  type: PrivilegedRole;
}

/** An operator made an account an administrator's or auditor's. */
export const privilegedUserMade = (
  userId: string,
  { existing, granted, type, email, sessionId }: MadePrivilegedUser,
): RequestEvent => ({
  action: existing ? 'USER_UPDATED' : 'USER_CREATED',
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  session_id: sessionId,
  metadata: {
    fields: [
      ...(granted?.passwordVoided ? ['password'] : []),
      ...(existing?.status === 'active' ? [] : ['status']),
      'type',
    ],
    ...(granted && countRevoked(granted.revoked)),
    type,
    status: 'active',
    by: 'operator',
  },
});
