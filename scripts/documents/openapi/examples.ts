import type { Json, JsonObject } from '../json.ts';

interface Example {
  body?: Json;
  /** Several, by name, instead of `body`. */
  bodies?: Readonly<Record<string, { summary: string; value: Json }>>;
  /** By status. */
  response?: Readonly<Record<number, Json>>;
}

const EMAIL = 'alice@example.com';
const PASSWORD = 'correct horse battery';
const USER_ID = '0198c5f2-6d3a-7c41-9b1e-3f0a5d7c2e10';
const SESSION_ID = '0198c5f2-6d3b-7a02-8d55-91c4e6b7a3f2';
const NOW = '2026-11-30T09:15:00.000Z';

const user: Json = {
  id: USER_ID,
  email: EMAIL,
  name: 'Alice Doe',
  first_name: 'Alice',
  last_name: 'Doe',
  type: 'customer',
  status: 'active',
  is_verified: false,
  created: NOW,
  updated: NOW,
};
const signedIn: Json = {
  user,
  token: 'eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl',
  refresh_token: 'mrt_4Zq0m2v8Jx1y7s5t3u9w6a',
  expires_in: 900,
  session_id: SESSION_ID,
};
const file: Json = {
  id: '0198c5f3-0a11-7e2f-a6c7-5b9d1f3e8c44',
  user_id: USER_ID,
  name: 'contract.pdf',
  size: 48_213,
  mime_type: 'application/pdf',
  sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  etag: '"9f86d081884c7d659a2feaa0c55ad015"',
  scan_status: 'unscanned',
  created: NOW,
  updated: NOW,
};

const vendorProfile: JsonObject = {
  id: '0198c5f4-2b7c-7d10-8f3e-6a2c9e4d1b57',
  user_id: USER_ID,
  business_type: 'Technology',
  business_name: 'Tech Solutions Inc.',
  company_name: 'Tech Solutions LLC',
  contact_person: 'John Doe',
  designation: 'CEO',
  country: 'United States',
  country_code: 'US',
  city: 'New York',
  website: 'https://techsolutions.com',
  working_days: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'],
  employee_count: 50,
  payment_mode: ['Card', 'Bank transfer'],
  establishment: 2020,
};

const newUser = { email: EMAIL, password: PASSWORD, first_name: 'Alice', last_name: 'Doe' };
const vendorProfiles: Json = { data: [vendorProfile], next_cursor: null };

/** Requests and answers as a person writes them, by operation. Tests hold them to the schemas. */
export const examples: Readonly<Record<string, Example>> = {
  'sign-in.register_user': {
    bodies: {
      customer: { summary: 'A customer', value: newUser },
      vendor: {
        summary: 'A vendor, who may create a vendor profile',
        value: { ...newUser, email: 'victor@example.com', first_name: 'Victor', type: 'vendor' },
      },
    },
    response: { 201: signedIn },
  },
  'sign-in.log_in_user': {
    body: { email: EMAIL, password: PASSWORD },
    response: { 200: signedIn },
  },
  'sessions.refresh_session': { body: { refresh_token: 'mrt_4Zq0m2v8Jx1y7s5t3u9w6a' } },
  'account.get_profile': { response: { 200: user } },
  'account.update_profile': {
    body: { first_name: 'Alice', last_name: null },
    response: { 200: user },
  },
  'account.change_email': { body: { email: 'alice@example.org', password: PASSWORD } },
  'account.confirm_email': { body: { token: 'the token of the mail' } },
  'account.delete_account': { body: { password: PASSWORD } },
  'passwords.change_password': {
    body: { current_password: PASSWORD, new_password: 'staple battery horse' },
  },
  'passwords.forgot_password': { body: { email: EMAIL } },
  'passwords.reset_password': {
    body: { token: 'the token of the mail', password: 'staple battery horse' },
  },
  'api-tokens.create_api_token': {
    body: { name: 'Nightly report', scopes: ['files:read'], expires_in: 86_400 },
  },
  'api-tokens.create_service_account': { body: { name: 'Importer', type: 'customer' } },
  'api-tokens.introspect_token': { body: { token: 'mun_…' } },
  'vendor-profiles.create_vendor_profile': {
    body: {
      business_type: 'Technology',
      business_name: 'Tech Solutions Inc.',
      company_name: 'Tech Solutions LLC',
      contact_person: 'John Doe',
      designation: 'CEO',
      country: 'United States',
      city: 'New York',
      website: 'https://techsolutions.com',
      employee_count: 50,
      establishment: 2020,
    },
    response: { 201: vendorProfile },
  },
  'vendor-profiles.update_vendor_profile': {
    body: { city: 'Boston', working_days: ['monday', 'saturday'], website: null },
    response: { 200: { ...vendorProfile, city: 'Boston', website: null } },
  },
  'vendor-profiles.update_profile_files': {
    body: { logo: null },
    response: { 200: vendorProfile },
  },
  'vendor-profiles.get_vendor_profile': { response: { 200: vendorProfile } },
  'vendor-profiles.get_profile_of_user': { response: { 200: vendorProfile } },
  'vendor-profiles.list_vendor_profiles': { response: { 200: vendorProfiles } },
  'vendor-profiles.search_vendor_profiles': { response: { 200: vendorProfiles } },
  'vendor-profiles.list_by_business_type': { response: { 200: vendorProfiles } },
  'vendor-profiles.list_by_country': { response: { 200: vendorProfiles } },
  'uploads.upload_file': { response: { 201: file } },
  'files.list_files': { response: { 200: [file] } },
  'files.get_file_metadata': { response: { 200: file } },
  'files.rename_file': { body: { name: 'contract-signed.pdf' }, response: { 200: file } },
  'app-events.record_events': {
    body: {
      id: 'invoice-1042-paid',
      tenant_id: 'acme',
      action: 'invoice.paid',
      actor: { id: 'u-17', name: 'Bob' },
      resource: 'invoice/1042',
    },
  },
  'erasure.erase_subject': { body: { tenant_id: 'acme', subject: 'u-17' } },
  'viewer-tokens.create_viewer_token': { body: { tenant_id: 'acme', expires_in: 900 } },
  'quarantine.replay_quarantine': { body: { reason: 'unreadable' } },
  'completeness.declare_lost': { body: { source: 'user', lane: 3, from: 1042, to: 1042 } },
  'webhooks.create_webhook': {
    body: { url: 'https://hooks.example.com/muniment', actions: ['LOGIN_FAIL', 'FILE_*'] },
  },
  'webhooks.update_webhook': { body: { enabled: false } },
  'seed-004.register_user': {
    body: { email: EMAIL, firstname: 'Alice', lastname: 'Doe', password: PASSWORD },
  },
  'seed-004.log_in_user': { body: { email: EMAIL, password: PASSWORD } },
};
