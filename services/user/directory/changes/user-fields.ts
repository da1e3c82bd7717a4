import { Type, type Static, type TObject } from 'typebox';
import { InvalidFields, nullable, readSpellings, type FieldFault } from '@muniment/server';
import { EmailMalformed } from '../../errors.ts';
import { roleSchema } from '../../users/directory-resource.ts';
import { parseEmail, type EmailAddress } from '../../users/email-address.ts';
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
  others: Omit<GivenFields, 'type' | 'email' | 'phone'>;
}

/**
 * Reads a body in either spelling.
 * @throws InvalidFields with a pointer to each fault
 */
export function readUserFields(
  body: object,
  { required = [] }: { required?: ('email' | 'type')[] } = {},
): UserFields {
  const { type, email, phone, ...others } = readSpellings(body, userFields, { required });
  const faults: FieldFault[] = [];
  const address = email === undefined ? undefined : readEmail(email, faults);
  const number = typeof phone === 'string' ? readPhone(phone, faults) : phone;
  if (faults.length > 0) throw new InvalidFields(faults);
  const given = { type, email, phone, ...others };
  return {
    names: Object.keys(given)
      .filter((name) => given[name as keyof typeof given] !== undefined)
      .sort(),
    ...(type && { type }),
    ...(address && { address }),
    ...(number !== undefined && { phone: number }),
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
