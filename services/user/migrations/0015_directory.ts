import { sql, type Kysely } from 'kysely';

const run = async (db: Kysely<unknown>, statements: readonly string[]): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(db);
};

const COLUMNS = `
  aws_cognito_id text,
  external_id text,
  phone text,
  phone_valid boolean,
  post_code text,
  country text,
  city text,
  verified_at timestamptz,
  email_verified_at timestamptz,
  phone_verified_at timestamptz,
  is_profile_updated boolean not null default false,
  is_profile_reverified boolean not null default false,
  profile_reverified_at timestamptz,
  created_by uuid,
  updated_by uuid,
  last_active_on date`;

const columnNames = COLUMNS.split(',').map((column) => column.trim().split(' ')[0] ?? '');

/** The order of never active users, whose date is null, is before every other. */
const LAST_ACTIVE = `coalesce(last_active_on, date '-infinity')`;

const INDEXES = [
  'create unique index users_aws_cognito_id on identity.users (aws_cognito_id)',
  'create unique index users_external_id on identity.users (external_id)',
  // Anybody may name anybody's number, so only proved ones are unique.
  `create unique index users_verified_phone on identity.users (phone)
    where phone_verified_at is not null`,
  'create index users_phone on identity.users (phone) where phone is not null',
  'create index users_by_created on identity.users (created, id) where not service',
  'create index users_by_type on identity.users (type, created, id) where not service',
  'create index users_by_status on identity.users (status, created, id) where not service',
  `create index users_by_country on identity.users (country, created, id)
    where not service and country is not null`,
  `create index users_by_last_active on identity.users ((${LAST_ACTIVE}), id) where not service`,
];

// A trigger, for replicas of the version before and for an operator's SQL: both set only
// `is_verified`, which has meant the e-mail address.
const VERIFICATION = [
  `create function identity.derive_verification() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      if new.is_verified and (tg_op = 'INSERT' or not old.is_verified)
          and new.email_verified_at is null and new.phone_verified_at is null then
        new.email_verified_at := now();
      elsif tg_op = 'UPDATE' and old.is_verified and not new.is_verified
          and new.email_verified_at is not distinct from old.email_verified_at then
        new.email_verified_at := null;
      end if;
      new.is_verified := new.email_verified_at is not null or new.phone_verified_at is not null;
      new.verified_at := case when new.is_verified
        then coalesce(new.verified_at, least(new.email_verified_at, new.phone_verified_at)) end;
      return new;
    end $$`,
  'revoke execute on function identity.derive_verification() from public',
  `create trigger users_derive_verification
    before insert or update of is_verified, email_verified_at, phone_verified_at on identity.users
    for each row execute function identity.derive_verification()`,
];

const letters = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
/** Upper case letters that NFKD leaves, with the distance of their lower case ones. */
const UPPER: readonly (readonly [codes: number[], distance: number])[] = [
  [letters(0x41, 0x5a), 32],
  [[0xc6, 0xd0, 0xd8, 0xde], 32],
  [[0x110, 0x126, 0x141, 0x152, 0x166], 1],
  [letters(0x391, 0x3a9).filter((code) => code !== 0x3a2), 32],
  [letters(0x400, 0x40f), 80],
  [letters(0x410, 0x42f), 32],
  [letters(0x48a, 0x4be).filter((code) => code % 2 === 0), 1],
  [letters(0x531, 0x556), 48],
];
const text = (codes: readonly number[]): string => String.fromCodePoint(...codes);
const FROM = text(UPPER.flatMap(([codes]) => codes));
const TO = text(UPPER.flatMap(([codes, distance]) => codes.map((code) => code + distance)));
/** Letters that are typed otherwise elsewhere. */
const SAME = ['øłđðħŧıς', 'olddhtiσ'] as const;
const SPELT = Object.entries({ ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th' }).reduce(
  (inner, [letter, spelling]) => `replace(${inner}, '${letter}', '${spelling}')`,
  'x',
);

// In SQL, so that triggers and queries fold alike, and without a locale: neither a new version of
// the C library nor another server changes what an index holds.
const FOLDING = [
  `create function identity.fold_words(value text) returns text[]
    language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
      select coalesce(array_agg(distinct left(word, 32)) filter (where word <> ''), '{}')
      from (select regexp_replace(normalize(left(value, 500), NFKD),
        '[\\u0300-\\u036f''\\u02bc\\u2019]', '', 'g') as x) plain,
        lateral (select translate(x, '${FROM}', '${TO}') as x) lower,
        lateral (select translate(${SPELT.replace('x', 'lower.x')}, '${SAME[0]}', '${SAME[1]}')
          as x) folded,
        lateral regexp_split_to_table(folded.x,
          '[\\u0001-\\u002f\\u003a-\\u0060\\u007b-\\u00bf\\u2000-\\u206f\\u3000-\\u303f]+') word
    $$`,
  // The digits of a number are found from the front and, reversed, without its country's code.
  `create function identity.terms_of(u identity.users) returns text[]
    language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
      select identity.fold_words(concat_ws(' ', u.name, u.first_name, u.last_name))
        || identity.fold_words(concat_ws(' ', u.email, u.email_key))
        || case when u.phone is null then '{}'::text[]
          else array[substr(u.phone, 2), '<' || reverse(substr(u.phone, 2))] end
    $$`,
];

const TERMS = [
  `create table identity.user_terms (
    user_id uuid not null references identity.users on delete cascade,
    term text collate "C" not null,
    primary key (user_id, term)
  )`,
  'create index user_terms_term on identity.user_terms (term, user_id)',
  `create function identity.index_user_terms() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare terms text[] := identity.terms_of(new);
    begin
      delete from identity.user_terms t where t.user_id = new.id and t.term <> all (terms);
      insert into identity.user_terms (user_id, term)
      select distinct new.id, term from unnest(terms) term on conflict do nothing;
      return null;
    end $$`,
  'revoke execute on function identity.index_user_terms() from public',
  `create trigger users_index_terms after insert on identity.users
    for each row when (not new.service) execute function identity.index_user_terms()`,
  `create trigger users_index_changed_terms
    after update of name, first_name, last_name, email, email_key, phone on identity.users
    for each row when (not new.service and (old.name, old.first_name, old.last_name, old.email,
      old.email_key, old.phone) is distinct from (new.name, new.first_name, new.last_name,
      new.email, new.email_key, new.phone)) execute function identity.index_user_terms()`,
  'grant select on identity.user_terms to user_service',
];

const BACKFILL = [
  `update identity.users set verified_at = updated, email_verified_at = updated where is_verified`,
  `insert into identity.user_terms (user_id, term)
    select distinct u.id, term from identity.users u, unnest(identity.terms_of(u)) term
    where not u.service`,
];

// The day moves once a day, since an index holds it. Rows that another statement holds wait for
// the next sight of the user: waiting for them could deadlock.
const ACTIVE = `, days as (
        select user_id, max((held.at at time zone 'UTC')::date) as day from held group by user_id
      ), due as (
        select u.id, days.day from identity.users u join days on days.user_id = u.id
        where u.last_active_on is null or u.last_active_on < days.day
        for no key update of u skip locked
      ), active as (
        update identity.users u set last_active_on = due.day from due where u.id = due.id
      )`;

const touchSessions = (active: string): string => `
  create or replace function
    shared.touch_sessions(session_ids uuid[], seconds_ago double precision[]) returns integer
    language sql security definer set search_path = pg_catalog, pg_temp as $$
      with seen as (
        select session_id, clock_timestamp() - greatest(min(ago), 0) * interval '1 second' as at
        from unnest(session_ids, seconds_ago) as given (session_id, ago) group by session_id
      ), held as (
        select s.id, s.user_id, seen.at
        from identity.sessions s join seen on seen.session_id = s.id
        where s.revoked_at is null and seen.at > s.last_seen
          and s.last_seen + s.idle_timeout > seen.at
        for no key update of s skip locked
      ), touched as (
        update identity.sessions s set last_seen = held.at
        from held where s.id = held.id returning 1
      )${active}
      select count(*)::integer from touched
    $$`;

const touchApiTokens = (active: string): string => `
  create or replace function shared.touch_api_tokens(
    token_ids uuid[], seconds_ago double precision[], addresses text[]) returns integer
    language sql security definer set search_path = pg_catalog, pg_temp as $$
      with seen as (
        select distinct on (token_id) token_id,
          clock_timestamp() - greatest(ago, 0) * interval '1 second' as at, address
        from unnest(token_ids, seconds_ago, addresses) as given (token_id, ago, address)
        order by token_id, ago
      ), held as (
        select t.id, t.user_id, seen.at, seen.address
        from identity.api_tokens t join seen on seen.token_id = t.id
        where t.revoked_at is null and (t.last_used_at is null or seen.at > t.last_used_at)
        for no key update of t skip locked
      ), touched as (
        update identity.api_tokens t set last_used_at = held.at, last_used_ip = held.address
        from held where t.id = held.id returning 1
      )${active}
      select count(*)::integer from touched
    $$`;

/** The directory: the fields of a user, the orders and filters of lists, and search terms. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    `alter table identity.users ${COLUMNS.split(',')
      .map((column) => `add column ${column.trim()}`)
      .join(', ')}`,
    `alter table identity.users add constraint users_phone_form
      check (phone ~ '^\\+[1-9][0-9]{1,17}$' and phone_valid is not null or phone is null)`,
    ...VERIFICATION,
    ...FOLDING,
    ...BACKFILL.slice(0, 1),
    ...TERMS,
    ...BACKFILL.slice(1),
    ...INDEXES,
    touchSessions(ACTIVE),
    touchApiTokens(ACTIVE),
  ]);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await run(db, [
    touchSessions(''),
    touchApiTokens(''),
    `drop trigger users_index_terms on identity.users`,
    `drop trigger users_index_changed_terms on identity.users`,
    `drop trigger users_derive_verification on identity.users`,
    `drop table identity.user_terms`,
    `drop function identity.index_user_terms(), identity.terms_of(identity.users),
      identity.fold_words(text), identity.derive_verification()`,
    `drop index identity.users_by_created, identity.users_by_type, identity.users_by_status`,
    `alter table identity.users drop constraint users_phone_form, ${columnNames
      .map((name) => `drop column ${name}`)
      .join(', ')}`,
  ]);
}
