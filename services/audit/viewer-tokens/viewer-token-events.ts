import type { RequestEvent } from '@muniment/server';
import type { ViewerToken } from './viewer-token-queries.ts';

const aboutToken = ({ id, tenant_id }: ViewerToken) => ({
  tenant_id,
  resource: id,
  resource_type: 'viewer_token',
});

export const viewerTokenCreated = (token: ViewerToken): RequestEvent => ({
  action: 'VIEWER_TOKEN_CREATED',
  ...aboutToken(token),
  metadata: { expires_at: token.expires_at.toISOString() },
});

export const viewerTokenRevoked = (token: ViewerToken): RequestEvent => ({
  action: 'VIEWER_TOKEN_REVOKED',
  ...aboutToken(token),
});
