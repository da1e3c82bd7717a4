import { Type, type Static } from 'typebox';
import { VENDOR_PROFILE_FIELDS } from '@muniment/security';
import { dateTime, etagOf, nullable, uuid, type Validators } from '@muniment/server';
import type { VendorProfile } from '../../tables.ts';

const text = nullable(Type.String());
const texts = Type.Array(Type.String());

/** A vendor profile as the API shows it. Fields that are optional here not every reader sees. */
export const vendorProfileSchema = Type.Object({
  id: uuid,
  user_id: uuid,
  business_type: Type.String(),
  business_name: Type.String(),
  company_name: text,
  contact_person: Type.Optional(text),
  designation: Type.Optional(text),
  country: text,
  country_code: text,
  city: text,
  website: text,
  business_registration_certificate: Type.Optional(nullable(uuid)),
  gst_number: Type.Optional(text),
  address: Type.Optional(text),
  company_details: text,
  whatsapp_number: Type.Optional(text),
  logo: nullable(uuid),
  working_days: texts,
  employee_count: nullable(Type.Integer()),
  payment_mode: texts,
  establishment: nullable(Type.Integer()),
  created_by: Type.Optional(nullable(uuid)),
  updated_by: Type.Optional(nullable(uuid)),
  created: dateTime,
  updated: dateTime,
  created_at: dateTime,
  updated_at: dateTime,
});

export type VendorProfileResource = Static<typeof vendorProfileSchema>;

/** How much of a profile a reader sees: what is public, or all of it. */
export type Sight = 'public' | 'full';

export function toVendorProfileResource(row: VendorProfile, sight: Sight): VendorProfileResource {
  const { business_type_key: _key, is_listed: _listed, ...columns } = row;
  const created = row.created.toISOString();
  const updated = row.updated.toISOString();
  const times = { created, updated, created_at: created, updated_at: updated };
  const resource: VendorProfileResource = { ...columns, ...times };
  return sight === 'full' ? resource : (pick(resource, PUBLIC) as VendorProfileResource);
}

const PUBLIC: ReadonlySet<string> = new Set(VENDOR_PROFILE_FIELDS.public);

/** By what is allowed: a new column stays hidden until the table of permissions names it. */
const pick = (resource: VendorProfileResource, names: ReadonlySet<string>): object =>
  Object.fromEntries(Object.entries(resource).filter(([name]) => names.has(name)));

/** The validators of one profile, as one reader sees it. */
export const profileValidators = (
  { updated: lastModified }: Pick<VendorProfile, 'updated'>,
  resource: VendorProfileResource,
): Validators => ({ etag: etagOf(resource), lastModified });
