import type { RequestEvent } from '@muniment/server';
import { aboutUser } from '../users/user-events.ts';

export const userCreated = (user: { id: string; type: string; email: string }): RequestEvent => ({
  action: 'USER_CREATED',
  subject: { userId: user.id },
  personal: { email: user.email },
  ...aboutUser(user.id),
  metadata: { type: user.type },
});

export const userCreationRefused = (email: string): RequestEvent => ({
  action: 'USER_CREATED',
  outcome: 'failure',
  error: 'email_taken',
  personal: { email },
});

export const userUpdated = (id: string, fields: readonly string[]): RequestEvent => ({
  action: 'USER_UPDATED',
  ...aboutUser(id),
  metadata: { fields },
});

export const userUpdateRefused = (id: string): RequestEvent => ({
  action: 'USER_UPDATED',
  outcome: 'failure',
  error: 'email_taken',
  ...aboutUser(id),
});

export const userDeleted = (id: string): RequestEvent => ({
  action: 'USER_DELETED',
  ...aboutUser(id),
});
