import type { NewEvent } from '@muniment/audit-events';

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

/** What an event about a user has in common with every other. */
export const aboutUser = (userId: string) => ({ resource: userId, resource_type: 'user' }) as const;
