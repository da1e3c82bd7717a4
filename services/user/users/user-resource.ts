import { Type, type Static } from 'typebox';
import type { User } from '../tables.ts';

const nullableText = Type.Union([Type.String(), Type.Null()]);

/** A user as the API shows one. The password hash and the e-mail's key have no place in it. */
export const userSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  name: nullableText,
  first_name: nullableText,
  last_name: nullableText,
  type: Type.String(),
  status: Type.String(),
  is_verified: Type.Boolean(),
  created: Type.String({ format: 'date-time' }),
  updated: Type.String({ format: 'date-time' }),
});

/** A signed-in user with the tokens of the new session, which are not there where cookies hold them. */
export const signedInSchema = Type.Object({
  user: userSchema,
  token: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  expires_in: Type.Integer(),
  session_id: Type.String({ format: 'uuid' }),
  device_token: Type.Optional(Type.String()),
});

/** One that a device kept from a sign-in before; what it is worth is seen where it is read. */
export const deviceTokenSchema = Type.String({ maxLength: 256 });

export const passwordSchema = Type.String({ minLength: 1, maxLength: 2_048 });
export const emailSchema = Type.String({ minLength: 3, maxLength: 320 });
export const personNameSchema = Type.String({ minLength: 1, maxLength: 200 });

export type UserRow = Pick<
  User,
  | 'id'
  | 'email'
  | 'name'
  | 'first_name'
  | 'last_name'
  | 'type'
  | 'status'
  | 'is_verified'
  | 'created'
  | 'updated'
>;

export function toUserResource(user: UserRow): Static<typeof userSchema> {
  const { id, email, name, first_name, last_name, type, status, is_verified, created, updated } =
    user;
  return {
    id,
    email,
    name,
    first_name,
    last_name,
    type,
    status,
    is_verified,
    created: created.toISOString(),
    updated: updated.toISOString(),
  };
}
