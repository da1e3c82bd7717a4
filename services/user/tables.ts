import type { Generated, GeneratedAlways, Selectable } from 'kysely';
import type { Role } from '@muniment/security';

/** A JSON object of a user, as its writer named its members. */
export type Metadata = Readonly<Record<string, unknown>>;

export interface UsersTable {
  id: string;
  type: Generated<Role>;
  status: Generated<'active' | 'inactive' | 'suspended' | 'pending'>;
  /** Whether the address or the number is proved. A trigger derives it from their times. */
  is_verified: Generated<boolean>;
  verified_at: Generated<Date | null>;
  email_verified_at: Generated<Date | null>;
  phone_verified_at: Generated<Date | null>;
  aws_cognito_id: Generated<string | null>;
  /** The id of another system, unique. */
  external_id: Generated<string | null>;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
  /** In E.164 form. */
  phone: Generated<string | null>;
  /** False for a number that cannot exist, which gets no message. Null without a number. */
  phone_valid: Generated<boolean | null>;
  post_code: Generated<string | null>;
  /** As it was sent. */
  country: Generated<string | null>;
  /** ISO 3166-1 alpha-2. */
  country_code: Generated<string | null>;
  city: Generated<string | null>;
  /** What the owner stores: a JSON object. */
  user_metadata: Generated<Metadata>;
  /** What administrators store: a JSON object. */
  app_metadata: Generated<Metadata>;
  is_profile_updated: Generated<boolean>;
  is_profile_reverified: Generated<boolean>;
  profile_reverified_at: Generated<Date | null>;
  /** Ids of users who may be gone. */
  created_by: Generated<string | null>;
  updated_by: Generated<string | null>;
  /** A day in UTC, to be read as text. Only `shared.touch_…` moves it, once a day. */
  last_active_on: Generated<Date | null>;
  email: string;
  email_key: string;
  password_hash: string | null;
  /** Of another system, until the first login stores ours. A trigger voids it with the password. */
  foreign_hash: Generated<string | null>;
  /** Moves with each new password, which ends device tokens. */
  password_epoch: Generated<number>;
  /** A program's account: no password, no mailbox, only API tokens. */
  service: Generated<boolean>;
  created: Generated<Date>;
  updated: Generated<Date>;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  ip: string | null;
  user_agent: string | null;
  created: Generated<Date>;
  last_seen: Generated<Date>;
  /** A PostgreSQL interval. */
  idle_timeout: string;
  expires_at: Date;
  revoked_at: Date | null;
  revoked_reason: string | null;
}

export interface RefreshTokensTable {
  token_hash: Buffer;
  session_id: string;
  created: Generated<Date>;
  expires_at: Date;
  spent_at: Date | null;
  sealed_child: Buffer | null;
  /** Null while unspent. */
  child_hash: Buffer | null;
}

export interface RecoveryRequestsTable {
  id: string;
  wrapped_request: Buffer;
  created: Generated<Date>;
  next_attempt: Generated<Date>;
}

export interface ResetTokensTable {
  user_id: string;
  token_hash: Buffer;
  created: Generated<Date>;
  expires_at: Date;
}

export interface EmailChangesTable {
  user_id: string;
  token_hash: Buffer;
  email: string;
  email_key: string;
  created: Generated<Date>;
  expires_at: Date;
}

export interface MailOutboxTable {
  id: string;
  user_id: string;
  reset_token: Buffer | null;
  email_change: Buffer | null;
  template: string;
  locale: string;
  /** null after the mail was given up. */
  wrapped_mail: Buffer | null;
  status: Generated<'waiting' | 'dead'>;
  attempts: Generated<number>;
  claim: string | null;
  created: Generated<Date>;
  next_attempt: Generated<Date>;
}

export interface ApiTokensTable {
  id: string;
  user_id: string;
  token_hash: Buffer;
  name: string;
  scopes: string[];
  /** CIDR ranges; empty allows every address. */
  allowed_ips: string[];
  ip: string | null;
  user_agent: string | null;
  created: Generated<Date>;
  expires_at: Date;
  last_used_at: Date | null;
  last_used_ip: string | null;
  revoked_at: Date | null;
}

/** Folded beginnings that a search finds. Only a trigger writes them. */
export interface UserTermsTable {
  user_id: string;
  term: string;
}

/** Hashes of metadata's paths with their values. Only a trigger writes them. */
export interface UserMetadataTermsTable {
  user_id: string;
  term: Buffer;
  user_created: Date;
}

export interface VendorProfilesTable {
  id: string;
  user_id: string;
  business_type: string;
  /** Folded, so that `IT services` and `it Services` are one type. */
  business_type_key: GeneratedAlways<string>;
  business_name: string;
  company_name: string | null;
  contact_person: string | null;
  designation: string | null;
  /** As it was sent. */
  country: string | null;
  /** ISO 3166-1 alpha-2. */
  country_code: string | null;
  city: string | null;
  website: string | null;
  /** The id of a file, as `logo` is. */
  business_registration_certificate: Generated<string | null>;
  gst_number: string | null;
  address: string | null;
  company_details: string | null;
  /** In E.164 form. */
  whatsapp_number: string | null;
  logo: Generated<string | null>;
  working_days: string[];
  employee_count: number | null;
  payment_mode: string[];
  establishment: number | null;
  /** Whether its vendor is active. Only triggers write it. */
  is_listed: GeneratedAlways<boolean>;
  /** Ids of users who may be gone. */
  created_by: string | null;
  updated_by: string | null;
  created: Generated<Date>;
  updated: Generated<Date>;
}

/** Folded words that a search finds. Only a trigger writes them. */
export interface VendorProfileTermsTable {
  profile_id: string;
  term: string;
}

/** Changes whose event is due. Only a trigger writes them. */
export interface StatusChangesTable {
  id: Generated<number>;
  user_id: string;
  previous: string;
  status: string;
  sessions_ended: number;
  api_tokens_revoked: number;
  /** The transaction, by which its own code finds the row. */
  changed_in: Generated<string>;
  changed_at: Generated<Date>;
}

/** Only while there are hashes of other systems. */
export interface ForeignHashCostsTable {
  cost_class: string;
  /** A hash of no password that costs the same. */
  decoy: string;
  created: Generated<Date>;
  imported: Generated<Date>;
}

/** Keys of Firebase projects, without which their hashes cannot be checked. */
export interface SignerKeysTable {
  id: string;
  wrapped_key: Buffer;
  imported: Generated<Date>;
}

export interface Tables {
  'identity.users': UsersTable;
  'identity.user_terms': UserTermsTable;
  'identity.user_metadata_terms': UserMetadataTermsTable;
  'identity.sessions': SessionsTable;
  'identity.refresh_tokens': RefreshTokensTable;
  'identity.recovery_requests': RecoveryRequestsTable;
  'identity.reset_tokens': ResetTokensTable;
  'identity.email_changes': EmailChangesTable;
  'identity.mail_outbox': MailOutboxTable;
  'identity.api_tokens': ApiTokensTable;
  'identity.vendor_profiles': VendorProfilesTable;
  'identity.vendor_profile_terms': VendorProfileTermsTable;
  'identity.status_changes': StatusChangesTable;
  'identity.foreign_hash_costs': ForeignHashCostsTable;
  'identity.signer_keys': SignerKeysTable;
  'shared.erasures': { user_id: string; identity_done: Generated<boolean> };
}

export type Session = Selectable<SessionsTable>;
export type User = Selectable<UsersTable>;
export type VendorProfile = Selectable<VendorProfilesTable>;
