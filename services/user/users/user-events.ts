import type { NewEvent } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';
import type { StatusChange } from './status-change-queries.ts';

/** A user that a restored backup brought back is deleted again. */
export const erasureReplayed = (userId: string): NewEvent => ({
  action: 'USER_DELETED',
  subject: { userId },
  personal: {},
  resource: userId,
  resource_type: 'user',
  request_id: `erasure-${userId}`,
  metadata: { reason: 'erasure_replayed' },
});

/** No request made the change, so it names no actor. */
export const statusChangedBySql = (change: StatusChange & { id: number }): NewEvent => ({
  action: 'USER_STATUS_CHANGED',
  subject: { userId: change.user_id },
  personal: {},
  ...aboutUser(change.user_id),
  request_id: `status-change-${change.id}`,
  metadata: {
    from: change.previous,
    to: change.status,
    sessions_ended: change.sessions_ended,
    api_tokens_revoked: change.api_tokens_revoked,
    changed_at: change.changed_at.toISOString(),
    by: 'sql',
  },
});

/** The removal of the last active administrator was refused. */
export const administratorKept = (
  userId: string,
  action: 'USER_UPDATED' | 'USER_DELETED',
): RequestEvent => ({
  action,
  outcome: 'failure',
  error: 'last_administrator',
  subject: { userId },
  ...aboutUser(userId),
});

/** What an event about a user has in common with every other. */
export const aboutUser = (userId: string) => ({ resource: userId, resource_type: 'user' }) as const;
