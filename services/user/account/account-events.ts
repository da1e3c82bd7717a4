import type { RequestEvent } from '@muniment/server';
import { aboutUser } from '../users/user-events.ts';

/** Lists changed fields without values: names are personal, and the trail stays forever. */
export const profileUpdated = (
  userId: string,
  { fields, metadataKeys }: { fields: string[]; metadataKeys: string[] | undefined },
): RequestEvent => ({
  action: 'USER_UPDATED',
  // Their owner made the keys up, so they are readable only while the user exists.
  ...(metadataKeys && { personal: { user_metadata_keys: metadataKeys } }),
  ...aboutUser(userId),
  metadata: { fields },
});

export const accountDeleted = (userId: string): RequestEvent => ({
  action: 'USER_DELETED',
  ...aboutUser(userId),
});

export const emailChangeRequested = (userId: string, email: string): RequestEvent => ({
  action: 'EMAIL_CHANGE_REQUESTED',
  personal: { email },
  ...aboutUser(userId),
});

export const emailChangeRateLimited = (userId: string): RequestEvent => ({
  action: 'EMAIL_CHANGE_REQUESTED',
  outcome: 'failure',
  error: 'rate_limited',
  ...aboutUser(userId),
});

/** The token's owner is the actor, though nobody is signed in. */
const addressUpdated = (userId: string) =>
  ({
    action: 'USER_UPDATED',
    user_id: userId,
    subject: { userId },
    ...aboutUser(userId),
    metadata: { fields: ['email'] },
  }) satisfies RequestEvent;

export const emailChanged = (
  userId: string,
  { email, previousEmail }: { email: string; previousEmail: string },
): RequestEvent => ({
  ...addressUpdated(userId),
  personal: { email, previous_email: previousEmail },
});

export const emailChangeConflicted = (userId: string, email: string): RequestEvent => ({
  ...addressUpdated(userId),
  outcome: 'failure',
  error: 'email_taken',
  personal: { email },
});
