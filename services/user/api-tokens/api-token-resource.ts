import { Type, type Static } from 'typebox';
import { clientSchema, describeClient } from '../sessions/client-software.ts';
import type { ListedApiToken } from './api-token-queries.ts';

const nullableText = Type.Union([Type.String(), Type.Null()]);
const instant = Type.String({ format: 'date-time' });

/** An API token as the API shows one: never with the token itself, nor its hash. */
export const apiTokenSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  user_id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  scopes: Type.Array(Type.String()),
  allowed_ips: Type.Array(Type.String()),
  created: instant,
  expires_at: instant,
  last_used_at: Type.Union([instant, Type.Null()]),
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
