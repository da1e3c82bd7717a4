import { Type, type Static, type TObject } from 'typebox';
import { bothSpellings, nullable, rawBody, readSpellings, uuid } from '@muniment/server';

/** With a visible character. */
const text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '\\S', ...(description && { description }) });
const clearable = (maxLength: number, description?: string) =>
  Type.Optional(nullable(text(maxLength, description)));
/** A list, or a text with commas. */
const list = (maxItems: number, description: string) =>
  Type.Optional(
    Type.Union([Type.String({ maxLength: 500 }), Type.Array(text(50), { maxItems }), Type.Null()], {
      description,
    }),
  );

/** The id of a file of the vendor. */
const fileId = Type.Optional(nullable(uuid));
const FILE_FIELDS = { logo: fileId, business_registration_certificate: fileId };

/** What its vendor states. null clears a field. */
export const PROFILE_FIELDS = {
  business_type: Type.Optional(text(100, 'A new profile needs it. As `Technology`.')),
  business_name: Type.Optional(text(200, 'A new profile needs it.')),
  company_name: clearable(200),
  contact_person: clearable(200),
  designation: clearable(100),
  country: clearable(100, 'An ISO 3166 code, an ISO name or an English name.'),
  city: clearable(100),
  website: clearable(2_048, 'By http or https, of a domain name.'),
  gst_number: clearable(40, 'In India it is checked with its check digit.'),
  address: clearable(1_000),
  company_details: clearable(5_000),
  whatsapp_number: clearable(40, 'With + and the country code.'),
  working_days: list(7, 'English names of days: a list, or a text such as `Mon - Fri`.'),
  employee_count: Type.Optional(nullable(Type.Integer({ minimum: 0, maximum: 10_000_000 }))),
  payment_mode: list(20, 'A list, or a text with commas.'),
  establishment: Type.Optional(nullable(Type.Integer({ minimum: 1_600, maximum: 9_999 }))),
  ...FILE_FIELDS,
};
export type ProfileFields = Static<TObject<typeof PROFILE_FIELDS>>;

const NEW_PROFILE_FIELDS = {
  user_id: Type.Optional(
    Type.String({
      ...uuid,
      description: 'For administrators: the vendor. Absent, it is the caller.',
    }),
  ),
  ...PROFILE_FIELDS,
};

export const newProfileSchema = bothSpellings(NEW_PROFILE_FIELDS);
export const profileChangeSchema = bothSpellings(PROFILE_FIELDS);
export const profileFilesSchema = bothSpellings(FILE_FIELDS);

const FILES = {
  logo: Type.Optional(rawBody('A PNG, JPEG or WebP image.', 'image/*')),
  business_registration_certificate: Type.Optional(
    rawBody('A PDF, PNG, JPEG or WebP file.', 'application/octet-stream'),
  ),
};
/** Forms as documents show them: fields as in JSON, the files as they are. */
export const newProfileForm = Type.Object({ ...NEW_PROFILE_FIELDS, ...FILES });
export const profileChangeForm = Type.Object({ ...PROFILE_FIELDS, ...FILES });
export const profileFilesForm = Type.Object(FILES);

/** The fields of a new profile. @throws InvalidFields */
export const readNewProfile = (body: object) =>
  readSpellings(body, NEW_PROFILE_FIELDS, { required: ['business_type', 'business_name'] });

/** The fields that a change names. @throws InvalidFields */
export const readProfileChange = (body: object): ProfileFields =>
  readSpellings(body, PROFILE_FIELDS);
