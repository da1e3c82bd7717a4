import { InvalidFields, pointerTo } from '@muniment/server';
import type { VendorProfile } from '../../tables.ts';
import { findCountry, NO_COUNTRY } from '../../users/countries/country.ts';
import { parsePhoneNumber } from '../../users/phone-number.ts';
import { FILE_FIELDS } from '../files/file-fields.ts';
import { parseIndianGstNumber } from './gst-number.ts';
import { parsePaymentModes, parseWorkingDays } from './lists.ts';
import type { ProfileFields } from './profile-body.ts';
import { isWebsite } from './website.ts';

/** The columns that a vendor states, as they are stored. */
export type StatedProfile = Pick<VendorProfile, keyof ProfileFields | 'country_code'>;

/** A profile of which nothing is stated. */
export const EMPTY_PROFILE: StatedProfile = {
  business_type: '',
  business_name: '',
  company_name: null,
  contact_person: null,
  designation: null,
  country: null,
  country_code: null,
  city: null,
  website: null,
  gst_number: null,
  address: null,
  company_details: null,
  whatsapp_number: null,
  working_days: [],
  employee_count: null,
  payment_mode: [],
  establishment: null,
  logo: null,
  business_registration_certificate: null,
};

/** What the vendor of a stored profile has stated. */
export const statedOf = (profile: VendorProfile): StatedProfile =>
  Object.fromEntries(
    Object.keys(EMPTY_PROFILE).map((name) => [name, profile[name as keyof StatedProfile]]),
  ) as unknown as StatedProfile;

type Refuse = (name: keyof ProfileFields, message: string) => void;

const trimmed = <Value>(value: Value): Value =>
  typeof value === 'string' ? (value.trim() as Value) : value;

/** The fields that need no check, trimmed. */
function readPlain(fields: ProfileFields): Partial<StatedProfile> {
  const { working_days: _days, payment_mode: _modes, ...plain } = fields;
  const entries = Object.entries(plain).map(([name, value]) => [name, trimmed(value)]);
  return Object.fromEntries(entries) as Partial<StatedProfile>;
}

/** In lower case (RFC 9562 §4), so that a stored id is no other one in capitals. */
function readFileIds(fields: ProfileFields): Partial<StatedProfile> {
  const named = FILE_FIELDS.filter((name) => typeof fields[name] === 'string');
  return Object.fromEntries(named.map((name) => [name, fields[name]?.toLowerCase()]));
}

function readCountry({ country }: ProfileFields, refuse: Refuse): Partial<StatedProfile> {
  if (country === undefined) return {};
  if (country === null) return { country_code: null };
  const code = findCountry(country);
  if (code === undefined) refuse('country', NO_COUNTRY);
  return { country_code: code ?? null };
}

function readLists(fields: ProfileFields, refuse: Refuse): Partial<StatedProfile> {
  const { working_days: typedDays, payment_mode: typedModes } = fields;
  const days = typedDays === undefined ? undefined : parseWorkingDays(typedDays ?? []);
  if (typedDays !== undefined && !days)
    refuse('working_days', 'must be English names of days, e.g. ["monday"] or "Mon - Fri"');
  const modes = typedModes === undefined ? undefined : parsePaymentModes(typedModes ?? []);
  if (modes && (modes.length > 20 || modes.some((mode) => mode.length > 50)))
    refuse('payment_mode', 'must NOT have more than 20 items of 50 characters');
  return { ...(days && { working_days: days }), ...(modes && { payment_mode: modes }) };
}

function readPhone({ whatsapp_number: typed }: ProfileFields, refuse: Refuse) {
  if (typeof typed !== 'string') return {};
  const number = parsePhoneNumber(typed);
  if (!number?.phone_valid)
    refuse('whatsapp_number', 'must be a phone number that exists, with + and its country code');
  return { whatsapp_number: number?.phone ?? null };
}

function checkPlain({ website, establishment }: ProfileFields, refuse: Refuse): void {
  if (typeof website === 'string' && !isWebsite(website.trim()))
    refuse('website', 'must be an http or https URL of a domain name, without credentials');
  const year = new Date().getUTCFullYear();
  if (typeof establishment === 'number' && establishment > year)
    refuse('establishment', `must be <= ${year}`);
}

/** Judged by the country, so a change of either is checked against the other. */
function readGstNumber(
  { gst_number: number, country_code: code }: StatedProfile,
  refuse: Refuse,
): Partial<StatedProfile> {
  if (number === null || code !== 'IN') return {};
  const parsed = parseIndianGstNumber(number);
  if (parsed === undefined)
    refuse('gst_number', 'must be a GST number of India with its check digit');
  return { gst_number: parsed ?? null };
}

/**
 * The profile that results when `fields` change `current`. `body` tells their spelling.
 * @throws InvalidFields, which names every faulty field
 */
export function changeProfile(
  current: StatedProfile,
  fields: ProfileFields,
  body: object,
): StatedProfile {
  const faults: { pointer: string; message: string }[] = [];
  const refuse: Refuse = (name, message) =>
    faults.push({ pointer: pointerTo(body, name), message });
  checkPlain(fields, refuse);
  const changed: StatedProfile = {
    ...current,
    ...readPlain(fields),
    ...readFileIds(fields),
    ...readCountry(fields, refuse),
    ...readLists(fields, refuse),
    ...readPhone(fields, refuse),
  };
  const profile = { ...changed, ...readGstNumber(changed, refuse) };
  if (faults.length > 0) throw new InvalidFields(faults);
  return profile;
}
