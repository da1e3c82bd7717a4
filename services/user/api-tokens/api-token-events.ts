import type { Permission } from '@muniment/security';
import type { RequestEvent } from '@muniment/server';

/** A token as its creation names it; `actorId` may be an administrator. */
interface CreatedToken {
  id: string;
  ownerId: string;
  actorId: string;
  name: string;
  scopes: readonly Permission[];
  allowedIps: readonly string[];
  expiresAt: Date;
}

export const apiTokenCreated = (token: CreatedToken): RequestEvent => ({
  action: 'API_TOKEN_CREATED',
  user_id: token.actorId,
  subject: { userId: token.actorId },
  resource: token.id,
  resource_type: 'api_token',
  personal: { name: token.name, allowed_ips: token.allowedIps },
  metadata: {
    owner: token.ownerId,
    scopes: token.scopes,
    expires_at: token.expiresAt.toISOString(),
  },
});

/** `scopes` are named where they were the reason, `actorId` where nobody is signed in. */
export const apiTokenRefused = (
  error: string,
  {
    ownerId,
    scopes,
    actorId,
  }: { ownerId: string; scopes?: readonly Permission[]; actorId?: string },
): RequestEvent => ({
  action: 'API_TOKEN_CREATED',
  outcome: 'failure',
  error,
  resource: ownerId,
  resource_type: 'user',
  ...(scopes && { metadata: { scopes } }),
  ...(actorId !== undefined && { user_id: actorId, subject: { userId: actorId } }),
});

export const apiTokenRevoked = (id: string, ownerId: string): RequestEvent => ({
  action: 'API_TOKEN_REVOKED',
  resource: id,
  resource_type: 'api_token',
  metadata: { owner: ownerId },
});

export const serviceAccountCreated = (id: string, type: string): RequestEvent => ({
  action: 'USER_CREATED',
  resource: id,
  resource_type: 'user',
  metadata: { type, service: true },
});
