import { Type, type Static } from 'typebox';
import { ROLES, type Role } from '@muniment/security';
import { dateTime, etagOf, nullable, uuid, type Validators } from '@muniment/server';
import type { User } from '../tables.ts';
import { metadataSchema } from './metadata/merge-metadata.ts';

/** The user types as they are filtered and set. */
export const roleSchema = Type.Unsafe<Role>(Type.Union(ROLES.map((role) => Type.Literal(role))));

/** The states of an account. */
export const statusSchema = Type.Union([
  Type.Literal('active'),
  Type.Literal('inactive'),
  Type.Literal('suspended'),
  Type.Literal('pending'),
]);

const optionalText = nullable(Type.String());

/** A user as the directory shows it: all but passwords. */
export const directoryUserSchema = Type.Object({
  id: uuid,
  type: roleSchema,
  status: statusSchema,
  email: Type.String(),
  name: optionalText,
  first_name: optionalText,
  last_name: optionalText,
  phone: nullable(Type.String({ description: 'In E.164 form.' })),
  phone_valid: nullable(
    Type.Boolean({ description: 'False: the number cannot exist, so it gets no message.' }),
  ),
  post_code: optionalText,
  country: nullable(Type.String({ description: 'As it was sent.' })),
  country_code: nullable(Type.String({ description: 'ISO 3166-1 alpha-2.' })),
  city: optionalText,
  user_metadata: Type.Optional(metadataSchema),
  app_metadata: Type.Optional(metadataSchema),
  aws_cognito_id: optionalText,
  external_id: optionalText,
  is_verified: Type.Boolean(),
  verified_at: nullable(dateTime),
  email_verified_at: nullable(dateTime),
  phone_verified_at: nullable(dateTime),
  is_profile_updated: Type.Boolean(),
  is_profile_reverified: Type.Boolean(),
  profile_reverified_at: nullable(dateTime),
  last_active_on: nullable(Type.String({ description: 'A day in UTC.' })),
  created_by: nullable(uuid),
  updated_by: nullable(uuid),
  created: dateTime,
  updated: dateTime,
  created_at: dateTime,
  updated_at: dateTime,
});

export type DirectoryUserResource = Static<typeof directoryUserSchema>;

type MetadataColumn = 'user_metadata' | 'app_metadata';
type HiddenColumn = 'email_key' | 'password_hash' | 'foreign_hash' | 'password_epoch' | 'service';

/** The columns that the directory shows; the day is read as text, metadata only where asked for. */
export type DirectoryUser = Omit<User, HiddenColumn | MetadataColumn | 'last_active_on'> &
  Partial<Pick<User, MetadataColumn>> & { last_active_on: string | null };

const timeOf = (date: Date | null): string | null => date?.toISOString() ?? null;

export function toDirectoryUser(user: DirectoryUser): DirectoryUserResource {
  const { verified_at, email_verified_at, phone_verified_at, ...rest } = user;
  const created = user.created.toISOString();
  const updated = user.updated.toISOString();
  return {
    ...rest,
    verified_at: timeOf(verified_at),
    email_verified_at: timeOf(email_verified_at),
    phone_verified_at: timeOf(phone_verified_at),
    profile_reverified_at: timeOf(user.profile_reverified_at),
    created,
    updated,
    // The seed document's names.
    created_at: created,
    updated_at: updated,
  };
}

/** No date: the last active day moves without `updated`. */
export const directoryValidators = (resource: DirectoryUserResource): Validators => ({
  etag: etagOf(resource),
});
