import { Type, type Static } from 'typebox';
import type { ViewerToken } from './viewer-token-queries.ts';

/** A viewer token as it is answered: never with the token itself. */
export const viewerTokenSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  tenant_id: Type.String(),
  created_by: Type.String({ format: 'uuid' }),
  created: Type.String({ format: 'date-time' }),
  expires_at: Type.String({ format: 'date-time' }),
});

export const toViewerTokenResource = ({
  created,
  expires_at: expiresAt,
  ...token
}: ViewerToken): Static<typeof viewerTokenSchema> => ({
  ...token,
  created: created.toISOString(),
  expires_at: expiresAt.toISOString(),
});
