import { Type, type Static } from 'typebox';
import { dateTime, nullable, uuid } from '@muniment/server';
import type { ServiceAccount } from './service-account-queries.ts';

/** A service account as the API shows it. */
export const serviceAccountSchema = Type.Object({
  id: uuid,
  name: nullable(Type.String()),
  type: Type.String(),
  status: Type.String(),
  created: dateTime,
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
