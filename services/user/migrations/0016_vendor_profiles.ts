import { sql, type Kysely } from 'kysely';

const run = async (db: Kysely<unknown>, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(db);
};

const TABLE = [
  // One type whatever its case, accents and order of words; of signs alone as it is.
  `create function identity.business_type_key(value text) returns text
    language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
      select coalesce(nullif(array_to_string(identity.fold_words(value), ' '), ''), value)
    $$`,
  `create table identity.vendor_profiles (
    id uuid primary key,
    user_id uuid not null unique references identity.users on delete cascade,
    business_type text not null,
    business_type_key text collate "C" not null generated always as (
      identity.business_type_key(business_type)) stored,
    business_name text not null,
    company_name text,
    contact_person text,
    designation text,
    country text,
    country_code text collate "C",
    city text,
    website text,
    business_registration_certificate uuid,
    gst_number text,
    address text,
    company_details text,
    whatsapp_number text,
    logo uuid,
    working_days text[] not null default '{}',
    employee_count integer,
    payment_mode text[] not null default '{}',
    establishment integer,
    is_listed boolean not null,
    created_by uuid,
    updated_by uuid,
    created timestamptz not null default now(),
    updated timestamptz not null default now(),
    check ((country is null) = (country_code is null)),
    check (country_code ~ '^[A-Z]{2}$'),
    check (website ~* '^https?://'),
    check (whatsapp_number ~ '^\\+[1-9][0-9]{1,14}$'),
    check (employee_count >= 0),
    check (establishment >= 1600)
  )`,
  // Most readers see listed profiles only, so a page must not step over the others.
  `create index vendor_profiles_listed on identity.vendor_profiles (id) where is_listed`,
  `create index vendor_profiles_by_type on identity.vendor_profiles (business_type_key, id)`,
  `create index vendor_profiles_listed_by_type on identity.vendor_profiles (business_type_key, id)
    where is_listed`,
  `create index vendor_profiles_by_country on identity.vendor_profiles (country_code, id)
    where country_code is not null`,
  `create index vendor_profiles_listed_by_country on identity.vendor_profiles (country_code, id)
    where is_listed and country_code is not null`,
  // Neither its id, its owner nor its author ever changes, and triggers decide what is listed.
  `grant select, delete on identity.vendor_profiles to user_service`,
  `grant insert (id, user_id, business_type, business_name, company_name, contact_person,
    designation, country, country_code, city, website, gst_number, address, company_details,
    whatsapp_number, working_days, employee_count, payment_mode, establishment, created_by,
    updated_by) on identity.vendor_profiles to user_service`,
  `grant update (business_type, business_name, company_name, contact_person, designation, country,
    country_code, city, website, business_registration_certificate, gst_number, address,
    company_details, whatsapp_number, logo, working_days, employee_count, payment_mode,
    establishment, updated_by, updated) on identity.vendor_profiles to user_service`,
];

const isListed = (user: string): string =>
  `(${user}.type = 'vendor' and ${user}.status = 'active' and not ${user}.service)`;

// Triggers, so that an operator's SQL and every code path hide what a vendor no longer shows.
const LISTING = [
  `create function identity.list_vendor_profile() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      select ${isListed('u')} into new.is_listed
      from identity.users u where u.id = new.user_id for share;
      return new;
    end $$`,
  `revoke execute on function identity.list_vendor_profile() from public`,
  `create trigger vendor_profiles_list before insert on identity.vendor_profiles
    for each row execute function identity.list_vendor_profile()`,
  `create function identity.relist_vendor_profile() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      update identity.vendor_profiles p set is_listed = ${isListed('new')}
      where p.user_id = new.id and p.is_listed <> ${isListed('new')};
      return null;
    end $$`,
  `revoke execute on function identity.relist_vendor_profile() from public`,
  `create trigger users_relist_vendor_profile after update of type, status on identity.users
    for each row when (old.type <> new.type or old.status <> new.status)
    execute function identity.relist_vendor_profile()`,
];

// Public fields only: what a reader may not see must not be found either.
const SEARCHED = [
  'business_name',
  'company_name',
  'business_type',
  'city',
  'country',
  'website',
  'company_details',
];
const words = SEARCHED.map((column) =>
  column === 'website'
    ? `identity.fold_words(regexp_replace(p.website, '^https?://', '', 'i'))`
    : `identity.fold_words(p.${column})`,
);

const TERMS = [
  `create function identity.terms_of(p identity.vendor_profiles) returns text[]
    language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
      select ${words.join(' || ')}
    $$`,
  `create table identity.vendor_profile_terms (
    profile_id uuid not null references identity.vendor_profiles on delete cascade,
    term text collate "C" not null,
    primary key (profile_id, term)
  )`,
  'create index vendor_profile_terms_term on identity.vendor_profile_terms (term, profile_id)',
  `create function identity.index_vendor_profile_terms() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare terms text[] := identity.terms_of(new);
    begin
      delete from identity.vendor_profile_terms t
      where t.profile_id = new.id and t.term <> all (terms);
      insert into identity.vendor_profile_terms (profile_id, term)
      select distinct new.id, term from unnest(terms) term on conflict do nothing;
      return null;
    end $$`,
  'revoke execute on function identity.index_vendor_profile_terms() from public',
  `create trigger vendor_profiles_index_terms
    after insert or update of ${SEARCHED.join(', ')} on identity.vendor_profiles
    for each row execute function identity.index_vendor_profile_terms()`,
  'grant select on identity.vendor_profile_terms to user_service',
];

/** Vendor profiles, whether they are listed, and the words by which a search finds them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await run(db, [...TABLE, ...LISTING, ...TERMS]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    'drop trigger users_relist_vendor_profile on identity.users',
    'drop table identity.vendor_profile_terms',
    'drop function identity.terms_of(identity.vendor_profiles)',
    'drop table identity.vendor_profiles',
    `drop function identity.index_vendor_profile_terms(), identity.list_vendor_profile(),
      identity.relist_vendor_profile(), identity.business_type_key(text)`,
  ]);
}
