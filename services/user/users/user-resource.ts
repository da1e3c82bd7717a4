import { Type, type Static } from 'typebox';
import { dateTime, etagOf, nullable, uuid, type Validators } from '@muniment/server';
import type { User } from '../tables.ts';
import { metadataSchema } from './metadata/merge-metadata.ts';

/** A user as the API shows it. */
export const userSchema = Type.Object({
  id: uuid,
  email: Type.String(),
  name: nullable(Type.String()),
  first_name: nullable(Type.String()),
  last_name: nullable(Type.String()),
  type: Type.String(),
  status: Type.String(),
  is_verified: Type.Boolean(),
  email_verified_at: nullable(dateTime),
  phone: nullable(Type.String()),
  phone_verified_at: nullable(dateTime),
  post_code: nullable(Type.String()),
  country: nullable(Type.String()),
  city: nullable(Type.String()),
  user_metadata: metadataSchema,
  created: dateTime,
  updated: dateTime,
});

/** A user with the new session's tokens; in cookie mode without. */
export const signedInSchema = Type.Object({
  user: userSchema,
  token: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  expires_in: Type.Integer(),
  session_id: uuid,
  device_token: Type.Optional(Type.String()),
});

/** Issued by an earlier login; verified where it is read. */
export const deviceTokenSchema = Type.String({ maxLength: 256 });
export const passwordSchema = Type.String({ minLength: 1, maxLength: 2_048 });
export const emailSchema = Type.String({ minLength: 3, maxLength: 320 });
export const personNameSchema = Type.String({ minLength: 1, maxLength: 200 });

export type UserResource = Static<typeof userSchema>;
export type UserRow = Pick<User, keyof UserResource>;

export function toUserResource(user: UserRow): UserResource {
  const { id, email, name, first_name, last_name, type, status, is_verified } = user;
  return {
    id,
    email,
    name,
    first_name,
    last_name,
    type,
    status,
    is_verified,
    email_verified_at: user.email_verified_at?.toISOString() ?? null,
    phone: user.phone,
    phone_verified_at: user.phone_verified_at?.toISOString() ?? null,
    post_code: user.post_code,
    country: user.country,
    city: user.city,
    user_metadata: user.user_metadata,
    created: user.created.toISOString(),
    updated: user.updated.toISOString(),
  };
}

/** The validators of `/api/users/me`. */
export const userValidators = (
  { updated: lastModified }: Pick<UserRow, 'updated'>,
  resource: UserResource,
): Validators => ({ etag: etagOf(resource), lastModified });
