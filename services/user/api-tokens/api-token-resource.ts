import { Type, type Static } from 'typebox';
import { dateTime, nullable, uuid } from '@muniment/server';
import { clientSchema, describeClient } from '../sessions/client-software.ts';
import type { ListedApiToken } from './api-token-queries.ts';

const nullableText = nullable(Type.String());

/** An API token as the API shows it, without its secret. */
export const apiTokenSchema = Type.Object({
  id: uuid,
  user_id: uuid,
  name: Type.String(),
  scopes: Type.Array(Type.String()),
  allowed_ips: Type.Array(Type.String()),
  created: dateTime,
  expires_at: dateTime,
  last_used_at: nullable(dateTime),
  last_used_ip: nullableText,
  ip: nullableText,
  user_agent: nullableText,
  client: clientSchema,
});

export function toApiTokenResource(token: ListedApiToken): Static<typeof apiTokenSchema> {
  const {
    id,
    user_id,
    name,
    scopes,
    allowed_ips,
    created,
    expires_at,
    last_used_at,
    last_used_ip,
    ip,
    user_agent,
  } = token;
  return {
    id,
    user_id,
    name,
    scopes,
    allowed_ips,
    created: created.toISOString(),
    expires_at: expires_at.toISOString(),
    last_used_at: last_used_at?.toISOString() ?? null,
    last_used_ip,
    ip,
    user_agent,
    client: describeClient(user_agent),
  };
}
