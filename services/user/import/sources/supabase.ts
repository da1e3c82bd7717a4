import { readWord } from '../rows/read-values.ts';
import { RowRefused, type RawUser } from '../rows/row.ts';

/** A CSV of `auth.users` has its JSON columns as text. */
function parseObject(value: unknown): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = typeof value === 'string' && value !== '' ? JSON.parse(value) : value;
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const isBanned = (until: unknown): boolean =>
  typeof until === 'string' && until !== '' && !(Date.parse(until) < Date.now());

/** The columns of Supabase's `auth.users`; others are ignored. */
export function fromSupabase(fields: Readonly<Record<string, unknown>>): RawUser {
  const { deleted_at: deletedAt, raw_user_meta_data: userData } = fields;
  if (typeof deletedAt === 'string' && deletedAt !== '')
    throw new RowRefused('deleted', [{ pointer: '/deleted_at', message: 'is a deleted user' }]);
  const data = parseObject(userData);
  const phone = readWord('phone', fields.phone, 40);
  const hash = fields.encrypted_password;
  return {
    id: fields.id,
    email: fields.email,
    email_verified: fields.email_confirmed_at ?? fields.confirmed_at,
    // Stored without its plus.
    phone: phone === null || phone.startsWith('+') ? phone : `+${phone}`,
    phone_verified: fields.phone_confirmed_at,
    name: data.full_name ?? data.name,
    first_name: data.first_name,
    last_name: data.last_name,
    status: isBanned(fields.banned_until) ? 'suspended' : 'active',
    created: fields.created_at,
    password_hash: typeof hash === 'string' ? hash : null,
  };
}
