import type { Rows } from '@muniment/testing';

/** Made-up people as a public service has them: skewed names, providers, countries and states. */

const FIRST_NAMES = (
  'Maria Mohamed James Anna John Fatima David Sofia Michael Elena Ahmed Emma Daniel Priya Thomas ' +
  'Ana Ali Sarah José Laura Ivan Mary Ravi Julia Peter Olga Omar Lucía Martin Aisha Paul Nina ' +
  'Carlos Chloé Jan Mei Andreas Zeynep Luca Ingrid Hugo Björn Yuki Łukasz Søren Thandi Oğuz ' +
  'Françoise Jürgen Ángel Marek Ngozi Kofi Siobhán Dmitri Hana Wanjiru Mateo Noor Farah Tomás ' +
  'Greta Emil Ida Otto Vera Max Eva Leo Iris Елена Александр'
).split(' ');
const LAST_NAMES = (
  "Smith García Kim Müller Nguyen Singh Johnson Khan Silva Chen Martin O'Brien Kumar Rossi Wang " +
  'López Brown Schmidt Ivanov Ali Jones Hernández Park Dubois Novák Andersson Yılmaz Costa ' +
  'Kowalski Meyer Sato Jensen Papadopoulos Okafor Haddad Van-Dijk Tanaka Petrov Murphy Weber'
).split(' ');
const [HEADS, MIDDLES, ENDS] = [
  'ba be bra bro ca cha da de dra el fa fe ga gre ha he ja ka ki la le lo ma me mo na no or pa pe ' +
    'ra ro sa sche si ste ta va wal za',
  'bel ber cas den der do fan gen go hol ker kow lan len lin lo man mar men nar nel no per ran rel ' +
    'ri ros san sen ser sto tel ten ter to van ver vi wan zen',
  'a ak as berg er es ez i ic in ini is ko man o ova s sen son ski',
].map((syllables) => syllables.split(' ')) as [string[], string[], string[]];
const PROVIDERS = (
  'gmail.com yahoo.com outlook.com hotmail.com icloud.com gmx.de mail.ru web.de yahoo.co.uk ' +
  'proton.me'
).split(' ');
const TOP_DOMAINS = 'com de co.uk org net io in fr'.split(' ');
const COUNTRIES = (
  'US IN GB DE BR FR ES IT NL PL CA MX AU SE NO DK FI AT CH BE PT IE CZ SK HU RO BG GR TR UA RU ' +
  'KR JP CN TW SG MY TH VN PH ID PK BD LK NP AE SA EG MA NG KE GH ZA AR CL CO PE UY NZ IL'
).split(' ');
const BUSINESS_TYPES = (
  'Technology Retail Catering Construction Logistics Education Healthcare Printing Textiles ' +
  'Consulting Photography Florist Bakery Plumbing Insurance Tourism'
).split(' ');

const LATIN: Record<string, string> = {
  ø: 'o',
  ł: 'l',
  ı: 'i',
  Елена: 'elena',
  Александр: 'aleksandr',
};
const inAscii = (name: string): string =>
  (LATIN[name] ?? name)
    .toLowerCase()
    .replaceAll(/[øłı]/g, (letter) => LATIN[letter] ?? '')
    .normalize('NFKD')
    .replaceAll(/[^a-z]/g, '');

const sqlArray = (words: readonly string[]): string =>
  `array[${words.map((word) => `'${word.replaceAll("'", "''")}'`).join(',')}]`;

/** A number from 0 to 1 that depends only on `n`. Each draw has a seed of its own. */
const draw = (seed: number): string => `(hashint8extended(n, ${seed}) & 1048575) / 1048576::float8`;

/** Picks a word. With a skew above 1 the first ones come more often. */
const pick = (words: readonly string[], seed: number, skew = 1): string =>
  `(${sqlArray(words)})[1 + floor(${words.length} * power(${draw(seed)}, ${skew}))::integer]`;

const SYLLABLES = `${pick(HEADS, 11, 1.2)} || ${pick(MIDDLES, 12, 1.2)} || ${pick(ENDS, 13, 1.2)}`;
const COMPANY = `${pick(HEADS, 14)} || ${pick(MIDDLES, 15)} || ${pick(ENDS, 16)}`;

const RARE_FIRST = `${pick(HEADS, 17, 1.2)} || ${pick(ENDS, 18)}`;

/** Half have a common first name, one in fifty the most common; one in four a common last name. */
const NAMES = `
  select n, has_common_first, has_common_last, ${RARE_FIRST} as rare_first, ${SYLLABLES} as rare_last,
    ${pick(FIRST_NAMES, 1, 1.3)} as common_first,
    ${pick(FIRST_NAMES.map(inAscii), 1, 1.3)} as common_first_key,
    ${pick(LAST_NAMES, 3, 1.3)} as common_last,
    ${pick(LAST_NAMES.map(inAscii), 3, 1.3)} as common_last_key,
    case when ${draw(4)} < 0.8 then ${pick(PROVIDERS, 5, 2.5)}
      else ${COMPANY} || '.' || ${pick(TOP_DOMAINS, 6, 2)} end as domain
  from (select n, ${draw(2)} < 0.25 as has_common_last, ${draw(7)} < 0.5 as has_common_first
    from generate_series($1::bigint, $2::bigint - 1) n) numbered`;

const PEOPLE = `
  select n, domain, case when has_common_first then common_first else initcap(rare_first) end
      as first_name,
    case when has_common_first then common_first_key else rare_first end as first_key,
    case when has_common_last then common_last else initcap(rare_last) end as last_name,
    case when has_common_last then common_last_key else rare_last end as last_key,
    now() - (3 - 3 * (n / $3::float8)) * interval '365 days' as created
  from (${NAMES}) named`;

/** As `uuidv7` of packages/database makes them; the number keeps them apart. */
const ID = `
  (lpad(to_hex((extract(epoch from created) * 1000)::bigint), 12, '0') || '7'
    || lpad(to_hex(n & 4095), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid`;

const LOCAL_PART = `
  case floor(5 * ${draw(20)}) when 0 then left(first_key, 1) || last_key when 1 then first_key
    when 2 then last_key || '.' || first_key else first_key || '.' || last_key end || n`;

/**
 * Inserts people `$1` to `$2`, without the latter, of `$3`, oldest first. Person 5 is an
 * administrator, person 6 an auditor, and so is each 200,000th behind them.
 */
export const INSERT_CROWD = `
  insert into identity.users (id, type, status, email, email_key, password_hash, first_name,
    last_name, phone, phone_valid, country, country_code, external_id, email_verified_at, created,
    updated, last_active_on, app_metadata, user_metadata)
  select ${ID},
    case n % 200000 when 5 then 'admin' when 6 then 'auditor'
      else case when ${draw(21)} < 0.08 then 'vendor' else 'customer' end end,
    case when ${draw(22)} < 0.95 then 'active' else ${pick(['inactive', 'pending', 'suspended'], 23)}
      end,
    local || '@' || domain, local || '@' || domain,
    '$argon2id$v=19$m=19456,p=1,t=2$' || left(md5(n::text), 22) || '$' || left(repeat(md5(n::text),
      2), 43),
    first_name, last_name, phone, case when phone is null then null else true end,
    country, country,
    case when ${draw(25)} < 0.3 then 'crm-' || n end,
    case when ${draw(26)} < 0.9 then created end, created, created,
    case when ${draw(27)} < 0.7
      then current_date - floor(900 * power(${draw(28)}, 3))::integer end,
    case when n % 8 = 3 then jsonb_build_object('seat', n,
      'plan', case when n % 32 = 3 then 'pro' else 'free' end) else '{}' end,
    case when n % 8 = 3 then jsonb_build_object(
      'color', case when n % 24 = 3 then 'blue' else 'green' end) else '{}' end
  from (select *, ${LOCAL_PART} as local,
      case n % 100000 when 7 then 'IS' else ${pick(COUNTRIES, 24, 3)} end as country,
      case when ${draw(29)} < 0.6 then ${pick(['+1', '+49', '+44', '+91', '+55'], 30)}
        || (1700000000 + (hashint8extended(n, 31) & 268435455)) end as phone
    from (${PEOPLE}) people) addressed`;

/** A profile for each vendor, under the vendor's own id. */
export const INSERT_CROWD_PROFILES = `
  insert into identity.vendor_profiles (id, user_id, business_type, business_name, company_name,
    country, country_code, city, website, company_details, working_days, payment_mode)
  select id, id, ${pick(BUSINESS_TYPES, 40, 1.5)},
    last_name || ' ' || ${pick(['Works', 'Trading', 'Services', 'Group', 'Studio'], 41)},
    last_name || ' ' || ${pick(['Ltd', 'GmbH', 'Inc', 'LLC'], 42)}, country, country,
    ${pick(['London', 'Mumbai', 'Berlin', 'São Paulo', 'Austin'], 43)},
    'https://' || split_part(email, '@', 2), 'We deliver on time, since ' || 1950 + n % 70, '{}', '{}'
  from (select *, hashtextextended(email, 0) & 4294967295 as n from identity.users
    where type = 'vendor') vendors`;

const BATCH_SIZE = 25_000;
/** Indexed after they are filled: sorting is faster than six million descents. */
const TERM_INDEX = `
  select pg_get_indexdef('identity.user_terms_term'::regclass) as definition`;
const INSERT_TERMS = `
  insert into identity.user_terms (user_id, term)
  select distinct u.id, term from identity.users u, unnest(identity.terms_of(u)) term
  where u.id >= $1 and u.id < $2 and not u.service on conflict do nothing`;
const BATCHES = `
  select id as "from", coalesce(lead(id) over (order by id), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    as "to"
  from (select id, row_number() over (order by id) as number from identity.users) numbered
  where number % ${BATCH_SIZE} = 1`;

/** Runs the batches on all connections. */
async function share<Batch>(
  connections: readonly Rows[],
  batches: readonly Batch[],
  run: (rows: Rows, batch: Batch) => Promise<unknown>,
): Promise<void> {
  const queue = batches.values();
  await Promise.all(
    connections.map(async (rows) => {
      for (const batch of queue) await run(rows, batch);
    }),
  );
}

/**
 * Inserts people with their terms and profiles into empty tables, by superusers' connections, and
 * analyses them. The terms come from the triggers' own function, but in batches.
 */
export async function insertCrowd(connections: readonly Rows[], count: number): Promise<void> {
  const [rows] = connections as [Rows];
  const starts = Array.from({ length: Math.ceil(count / BATCH_SIZE) }, (_, n) => n * BATCH_SIZE);
  await rows('alter table identity.users disable trigger users_index_terms');
  await share(connections, starts, (on, from) =>
    on(INSERT_CROWD, [from, Math.min(count, from + BATCH_SIZE), count]),
  );
  await rows('alter table identity.users enable trigger users_index_terms');
  const [index] = await rows<{ definition: string }>(TERM_INDEX);
  await rows('drop index identity.user_terms_term');
  const batches = await rows<{ from: string; to: string }>(BATCHES);
  // Else each term would look for its user.
  for (const on of connections) await on(`set session_replication_role = replica`);
  await share(connections, batches, (on, { from, to }) => on(INSERT_TERMS, [from, to]));
  for (const on of connections) await on(`reset session_replication_role`);
  await rows(index?.definition ?? '');
  await rows(INSERT_CROWD_PROFILES);
  for (const table of [
    'users',
    'user_terms',
    'user_metadata_terms',
    'vendor_profiles',
    'vendor_profile_terms',
  ])
    await rows(`vacuum analyze identity.${table}`);
}
