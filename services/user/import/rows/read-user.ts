import {
  checkForeignHash,
  costClassOf,
  decoyOf,
  encodeForeignHash,
  ForeignHashFault,
  parseForeignHash,
  isRole,
  ROLES,
  type ForeignHash,
  type Role,
} from '@muniment/security';
import { isUuid } from '@muniment/server';
import { EmailMalformed } from '../../errors.ts';
import type { HashCost } from '../../foreign-hashes/foreign-hash-queries.ts';
import { findCountry } from '../../users/countries/country.ts';
import { parseEmail, type EmailAddress } from '../../users/email-address.ts';
import { parsePhoneNumber, type PhoneNumber } from '../../users/phone-number.ts';
import { readBoolean, readLine, readProof, readText, readTime, readWord } from './read-values.ts';
import { refuseField, RowRefused, type RawUser } from './row.ts';

/** A user as an import inserts it. */
export interface ImportedUser {
  /** null where the file has none. */
  id: string | null;
  external_id: string | null;
  aws_cognito_id: string | null;
  type: Role;
  status: 'active' | 'inactive' | 'suspended' | 'pending';
  email: string;
  email_key: string;
  email_verified_at: Date | null;
  verified_at: Date | null;
  phone: string | null;
  phone_valid: boolean | null;
  phone_verified_at: Date | null;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
  post_code: string | null;
  country: string | null;
  /** null for a text that names no country: another system's users must not be lost by it. */
  country_code: string | null;
  city: string | null;
  is_profile_updated: boolean;
  is_profile_reverified: boolean;
  profile_reverified_at: Date | null;
  created: Date | null;
  foreign_hash: string | null;
  hashCost: HashCost | undefined;
}

const STATUSES = ['active', 'inactive', 'suspended', 'pending'] as const;

/**
 * Checks a row.
 * @throws RowRefused with the reason
 */
export function readUser(raw: RawUser): ImportedUser {
  const phone = readPhone(raw.phone);
  const phoneProof = readProof('phone_verified', raw.phone_verified);
  const country = readLine('country', raw.country, 100);
  return {
    ...readIds(raw),
    aws_cognito_id: readLine('aws_cognito_id', raw.aws_cognito_id, 255),
    type: readType(raw.type),
    status: readStatus(raw.status),
    ...readAddress(raw.email),
    email_verified_at: readProof('email_verified', raw.email_verified),
    phone: phone?.phone ?? null,
    phone_valid: phone?.phone_valid ?? null,
    phone_verified_at: phone ? phoneProof : null,
    verified_at: readTime('verified_at', raw.verified_at),
    name: readText('name', raw.name, 200),
    first_name: readText('first_name', raw.first_name, 200),
    last_name: readText('last_name', raw.last_name, 200),
    post_code: readLine('post_code', raw.post_code, 20),
    country,
    country_code: country === null ? null : (findCountry(country) ?? null),
    city: readLine('city', raw.city, 100),
    ...readProfileMarks(raw),
    created: readTime('created', raw.created),
    ...readHash(raw.password_hash),
  };
}

function readProfileMarks(
  raw: RawUser,
): Pick<ImportedUser, 'is_profile_updated' | 'is_profile_reverified' | 'profile_reverified_at'> {
  return {
    is_profile_updated: readBoolean('is_profile_updated', raw.is_profile_updated),
    is_profile_reverified: readBoolean('is_profile_reverified', raw.is_profile_reverified),
    profile_reverified_at: readTime('profile_reverified_at', raw.profile_reverified_at),
  };
}

/** UUIDs stay the ids; ids of another form are found by `external_id`. */
function readIds(raw: RawUser): Pick<ImportedUser, 'id' | 'external_id'> {
  const id = readWord('id', raw.id, 255);
  const externalId = readLine('external_id', raw.external_id, 255);
  if (id === null || isUuid(id)) return { id: id?.toLowerCase() ?? null, external_id: externalId };
  if (externalId !== null) throw refuseField('id', 'must be a UUID beside an external_id');
  return { id: null, external_id: id };
}

function readType(value: unknown): Role {
  const type = readWord('type', value, 20) ?? 'customer';
  if (!isRole(type)) throw refuseField('type', `must be one of ${ROLES.join(', ')}`);
  return type;
}

function readStatus(value: unknown): ImportedUser['status'] {
  const text = readWord('status', value, 20) ?? 'active';
  const status = STATUSES.find((known) => known === text);
  if (!status) throw refuseField('status', `must be one of ${STATUSES.join(', ')}`);
  return status;
}

function readAddress(value: unknown): { email: string; email_key: string } {
  const typed = readWord('email', value, 320);
  if (typed === null) throw refuseField('email', 'is required');
  const { email, emailKey } = parseAddress(typed);
  return { email, email_key: emailKey };
}

function parseAddress(typed: string): EmailAddress {
  try {
    return parseEmail(typed);
  } catch (error) {
    if (error instanceof EmailMalformed) throw refuseField('email', 'is not an e-mail address');
    throw error;
  }
}

function readPhone(value: unknown): PhoneNumber | undefined {
  const typed = readWord('phone', value, 40);
  if (typed === null) return undefined;
  const number = parsePhoneNumber(typed);
  if (!number) throw refuseField('phone', 'is not an international number (E.164: +49...)');
  return number;
}

/** A hash that a source has already read, or the text of one. */
function readHash(value: unknown): Pick<ImportedUser, 'foreign_hash' | 'hashCost'> {
  if (value === undefined || value === null || value === '')
    return { foreign_hash: null, hashCost: undefined };
  const hash = typeof value === 'string' ? parseHash(value) : checkHash(value as ForeignHash);
  return {
    foreign_hash: encodeForeignHash(hash),
    hashCost: { cost_class: costClassOf(hash), decoy: encodeForeignHash(decoyOf(hash)) },
  };
}

function parseHash(text: string): ForeignHash {
  return refuseBadHash(() => parseForeignHash(text));
}

function checkHash(hash: ForeignHash): ForeignHash {
  refuseBadHash(() => checkForeignHash(hash));
  return hash;
}

/** @throws RowRefused with the reason that `read` throws */
export function refuseBadHash<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ForeignHashFault)) throw error;
    throw new RowRefused('hash_refused', [{ pointer: '/password_hash', message: error.message }]);
  }
}
