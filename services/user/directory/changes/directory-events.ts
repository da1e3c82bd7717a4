import type { FastifyRequest } from 'fastify';
import { derivedEventId } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';
import type { StatusChange } from '../../users/status-change-queries.ts';
import { aboutUser } from '../../users/user-events.ts';

export const userCreated = (user: { id: string; type: string; email: string }): RequestEvent => ({
  action: 'USER_CREATED',
  subject: { userId: user.id },
  personal: { email: user.email },
  ...aboutUser(user.id),
  metadata: { type: user.type },
});

/** The ids of other systems are not named: they may be personal. */
export const userCreationRefused = (email: string, error: string): RequestEvent => ({
  action: 'USER_CREATED',
  outcome: 'failure',
  error,
  personal: { email },
});

/** A mailbox got the link that sets the first password. */
export const invitationSent = (userId: string, email: string): RequestEvent => ({
  action: 'CODE_SENT',
  subject: { userId },
  personal: { email },
  ...aboutUser(userId),
  metadata: { purpose: 'invitation', channel: 'mail' },
});

interface UpdateDetails {
  type?: string;
  sessions_ended?: number;
  api_tokens_revoked?: number;
  /** Changed members of app_metadata. */
  appKeys?: string[];
}

/** Lists changed fields without values: they are personal, and the trail stays for ever. */
export const userUpdated = (
  id: string,
  fields: readonly string[],
  { appKeys, ...details }: UpdateDetails = {},
): RequestEvent => ({
  action: 'USER_UPDATED',
  ...(appKeys && { subject: { userId: id }, personal: { app_metadata_keys: appKeys } }),
  ...aboutUser(id),
  metadata: { fields, ...details },
});

export const userUpdateRefused = (id: string, error: string): RequestEvent => ({
  action: 'USER_UPDATED',
  outcome: 'failure',
  error,
  ...aboutUser(id),
});

/** The reason is free text about the user, so it is readable only while the user exists. */
export const userStatusChanged = (change: StatusChange, reason?: string): RequestEvent => ({
  action: 'USER_STATUS_CHANGED',
  subject: { userId: change.user_id },
  ...(reason !== undefined && { personal: { reason } }),
  ...aboutUser(change.user_id),
  metadata: {
    from: change.previous,
    to: change.status,
    sessions_ended: change.sessions_ended,
    api_tokens_revoked: change.api_tokens_revoked,
  },
});

export const userDeleted = (id: string): RequestEvent => ({
  action: 'USER_DELETED',
  ...aboutUser(id),
});

/** One per request: the gateway may repeat a GET on another replica, so the id follows from it. */
export const usersExported = (
  request: Pick<FastifyRequest, 'id' | 'startedAtMs'>,
  format: string,
): RequestEvent => ({
  id: derivedEventId(request.id, request.startedAtMs),
  action: 'USERS_EXPORTED',
  metadata: { format },
});
