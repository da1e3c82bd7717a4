import { Type, type Static } from 'typebox';
import { dateTime, uuid } from '@muniment/server';
import type { ViewerToken } from './viewer-token-queries.ts';

/** A viewer token as the API shows it: never with its secret. */
export const viewerTokenSchema = Type.Object({
  id: uuid,
  tenant_id: Type.String(),
  created_by: uuid,
  created: dateTime,
  expires_at: dateTime,
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
