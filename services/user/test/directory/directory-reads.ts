import type { Kysely } from 'kysely';
import type { Tables } from '../../tables.ts';
import { findHolders } from '../../import/import-queries.ts';
import { readUser } from '../../import/rows/read-user.ts';
import {
  countUsers,
  findUserPage,
  type UserFilter,
  type UserPage,
} from '../../directory/lists/user-list-queries.ts';
import { findDirectoryUsers, findPeopleAfter } from '../../users/directory-queries.ts';
import { findCandidates } from '../../users/search/find-candidates.ts';

/** Somebody from the middle of a crowd, with every field that a look-up takes. */
export interface Somebody {
  id: string;
  email_key: string;
  phone: string;
  external_id: string;
  last_name: string;
  created: string;
  last_active_on: string;
}

export const FIND_SOMEBODY = `
  select id, email_key, phone, external_id, last_name, created::text, last_active_on::text
  from identity.users
  where not service and id > $1 and phone is not null and external_id is not null
    and last_active_on is not null and length(last_name) > 6
  order by id limit 1`;

/** The id of a crowd's middle: about half of its people are older. */
export const FIND_MIDDLE = `
  select id from identity.users where not service
  order by created offset (select count(*) / 2 from identity.users) limit 1`;

export type Read = (db: Kysely<Tables>) => Promise<unknown>;

const FIRST: Omit<UserPage, 'filter'> = {
  order: 'created',
  descending: true,
  after: undefined,
  limit: 51,
};
const list =
  (page: Partial<UserPage>): Read =>
  (db) =>
    findUserPage(db, { ...FIRST, filter: {}, ...page });

/** Filters by one or two fields: what many have, what few have, and what nobody has. */
const FILTERS: Record<string, UserFilter> = {
  'by the most common type': { type: 'customer' },
  'by the rarest type': { type: 'admin' },
  'by status': { status: 'suspended' },
  'by the most common country': { countryCode: 'US' },
  'by a country that nobody has': { countryCode: 'XX' },
  'by type and country': { type: 'vendor', countryCode: 'DE' },
  'by rare types of a rare country': { type: 'auditor', countryCode: 'IS' },
  'by type, status and country': { type: 'vendor', status: 'suspended', countryCode: 'FR' },
};

const PRO = ['app', 'plan', 'pro'] as const;
const BLUE = ['user', 'color', 'blue'] as const;

/** Pages of every filter in every order, ranges, values of metadata, and later pages. */
export function listPages({ id, email_key, created, last_active_on }: Somebody) {
  const orders = {
    'newest first': { order: 'created', descending: true, after: [created, id] },
    'oldest first': { order: 'created', descending: false, after: [created, id] },
    'by address': { order: 'email', descending: false, after: [email_key, id] },
    'by last activity': { order: 'last_active', descending: true, after: [last_active_on, id] },
  } as const;
  const pages: Record<string, Read> = {
    'created in a range': list({
      filter: { createdFrom: created, createdTo: '2999-01-01T00:00:00Z' },
    }),
    'active in a range': list({ filter: { activeFrom: last_active_on, activeTo: '2999-01-01' } }),
    'by a value that many have': list({ filter: { metadata: [PRO] } }),
    'by two values, in the middle': list({
      filter: { metadata: [PRO, BLUE] },
      after: [created, id],
    }),
    'by a value that nobody has': list({ filter: { metadata: [['app', 'plan', 'none']] } }),
    'by a value of one, by address': list({
      filter: { metadata: [['app', 'seat', 11]] },
      order: 'email',
      descending: false,
    }),
  };
  for (const [name, { after, ...order }] of Object.entries(orders)) {
    pages[`all, ${name}`] = list(order);
    pages[`all, ${name}, in the middle`] = list({ ...order, after });
    for (const [what, filter] of Object.entries(FILTERS))
      pages[`${what}, ${name}`] = list({ ...order, filter });
  }
  return pages;
}

/** Users of an import, of whom none is here. */
const BATCH = Array.from({ length: 250 }, (_, n) => {
  const external_id = `new-${n}`;
  const proved = { phone: `+4930901${n}`, phone_verified: true, aws_cognito_id: external_id };
  const raw = { ...proved, email: `new-${n}@example.com`, external_id };
  return { ...readUser(raw), id: `01890000-0000-7000-8000-${String(n).padStart(12, '0')}` };
});

/** What names its users exactly, and counts. */
export function listLookUps(
  { id, email_key, phone, external_id }: Somebody,
  ids: readonly string[],
): Record<string, Read> {
  return {
    'one user': (db) => findDirectoryUsers(db, [id]),
    'by 200 ids': list({ filter: { ids } }),
    'by an exact address': list({ filter: { emailKey: email_key } }),
    'by a number': list({ filter: { phone } }),
    'by an external id': list({ filter: { externalId: external_id } }),
    'a page of an export': (db) => findPeopleAfter(db, id, 500),
    'those in the way of an import': (db) => findHolders(db, BATCH),
    'a count of all': (db) => countUsers(db, {}, 10_001),
    'a count by type and status': (db) =>
      countUsers(db, { type: 'vendor', status: 'suspended' }, 10_001),
    'a count by a value': (db) => countUsers(db, { metadata: [PRO] }, 10_001),
    'a count of nobody': (db) => countUsers(db, { countryCode: 'XX' }, 10_001),
  };
}

/** A search of each kind. */
export function listSearches({
  id,
  email_key,
  phone,
  last_name: name,
}: Somebody): Record<string, Read> {
  const terms = {
    'an id': id,
    'an address': email_key,
    'a number': phone,
    'the end of a number': phone.slice(-9),
    'a last name': name,
    'its beginning': name.slice(0, 5),
    'a typing error': name.slice(0, 2) + name.slice(3),
    'two words': `anna ${name}`,
    'one letter': 'a',
    'the most common name': 'maria',
    'everybody’s label': 'com',
    'two common words': 'maria com',
    'what nobody has': 'xqzwvk',
  };
  return Object.fromEntries(
    Object.entries(terms).map(([what, term]): [string, Read] => [
      `a search for ${what}`,
      (db) => findCandidates(db, term),
    ]),
  );
}
