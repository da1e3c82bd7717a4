import { Type, type Static, type TObject } from 'typebox';
import {
  InvalidFields,
  nullable,
  pointerTo,
  readSpellings,
  type FieldFault,
} from '@muniment/server';
import { EmailMalformed } from '../../errors.ts';
import type { User } from '../../tables.ts';
import { roleSchema } from '../../users/directory-resource.ts';
import { findCountry, NO_COUNTRY } from '../../users/countries/country.ts';
import { parseEmail, type EmailAddress } from '../../users/email-address.ts';
import { metadataPatchSchema, type MetadataPatch } from '../../users/metadata/merge-metadata.ts';
import { parsePhoneNumber, type PhoneNumber } from '../../users/phone-number.ts';
import { emailSchema, personNameSchema } from '../../users/user-resource.ts';

/** Text that a form may show; control characters would break its lines. */
const text = (maxLength: number) =>
  Type.Optional(
    nullable(Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f]*$' })),
  );
const optionalName = Type.Optional(nullable(personNameSchema));

/** What an administrator sets of a user. null clears a field. */
export const userFields = {
  type: Type.Optional(roleSchema),
  email: Type.Optional(emailSchema),
  name: optionalName,
  first_name: optionalName,
  last_name: optionalName,
  phone: text(40),
  post_code: text(20),
  country: text(100),
  city: text(100),
  external_id: text(255),
  aws_cognito_id: text(255),
  app_metadata: Type.Optional(metadataPatchSchema),
  is_profile_updated: Type.Optional(Type.Boolean()),
  is_profile_reverified: Type.Optional(Type.Boolean()),
};

type GivenFields = Static<TObject<typeof userFields>>;

/** The fields of a body as they are stored. */
export interface UserFields {
  /** Under their snake_case names, sorted, for the event. */
  names: string[];
  type?: GivenFields['type'];
  address?: EmailAddress;
  /** null clears the number. */
  phone?: PhoneNumber | null;
  /** null clears it. */
  country?: Pick<User, 'country' | 'country_code'>;
  appMetadata?: MetadataPatch;
  others: Omit<GivenFields, 'type' | 'email' | 'phone' | 'country' | 'app_metadata'>;
}

/**
 * Reads a body in either spelling.
 * @throws InvalidFields with a pointer to each fault
 */
export function readUserFields(
  body: object,
  { required = [] }: { required?: ('email' | 'type')[] } = {},
): UserFields {
  const given = readSpellings(body, userFields, { required });
  const { type, email, phone, country: typedCountry, app_metadata: patch, ...others } = given;
  const faults: FieldFault[] = [];
  const address = email === undefined ? undefined : readEmail(email, faults);
  const number = typeof phone === 'string' ? readPhone(phone, faults) : phone;
  const country = typedCountry === undefined ? undefined : readCountry(typedCountry, faults);
  if (faults.length > 0) throw new InvalidFields(faults);
  return {
    names: Object.keys(given)
      .filter((name) => given[name as keyof typeof given] !== undefined)
      .sort(),
    ...(type && { type }),
    ...(address && { address }),
    ...(number !== undefined && { phone: number }),
    ...(country && { country }),
    ...(patch !== undefined && {
      appMetadata: { patch, pointer: pointerTo(body, 'app_metadata') },
    }),
    others,
  };
}

function readEmail(typed: string, faults: FieldFault[]): EmailAddress | undefined {
  try {
    return parseEmail(typed);
  } catch (error) {
    if (!(error instanceof EmailMalformed)) throw error;
    faults.push({ pointer: '/email', message: 'is not an e-mail address' });
    return undefined;
  }
}

function readPhone(typed: string, faults: FieldFault[]): PhoneNumber | undefined {
  const number = parsePhoneNumber(typed);
  if (!number)
    faults.push({ pointer: '/phone', message: 'is not an international number (E.164: +49...)' });
  return number;
}

/** The code by which countries are compared stands beside what was sent. */
function readCountry(typed: string | null, faults: FieldFault[]): UserFields['country'] {
  if (typed === null) return { country: null, country_code: null };
  const code = findCountry(typed);
  if (code === undefined) faults.push({ pointer: '/country', message: NO_COUNTRY });
  return { country: typed.trim(), country_code: code ?? null };
}
