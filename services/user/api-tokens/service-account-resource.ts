import { Type, type Static } from 'typebox';
import type { ServiceAccount } from './service-account-queries.ts';

/** A service account as the API shows one. */
export const serviceAccountSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Type.Union([Type.String(), Type.Null()]),
  type: Type.String(),
  status: Type.String(),
  created: Type.String({ format: 'date-time' }),
});

export const toServiceAccountResource = ({
  id,
  name,
  type,
  status,
  created,
}: ServiceAccount): Static<typeof serviceAccountSchema> => ({
  id,
  name,
  type,
  status,
  created: created.toISOString(),
});
