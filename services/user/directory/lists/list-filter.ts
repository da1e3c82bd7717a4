import { Type, type Static, type TObject } from 'typebox';
import type { Role } from '@muniment/security';
import { InvalidFields, isUuid } from '@muniment/server';
import { EmailMalformed } from '../../errors.ts';
import { findCountry, NO_COUNTRY } from '../../users/countries/country.ts';
import { statusSchema } from '../../users/directory-resource.ts';
import { parseEmail } from '../../users/email-address.ts';
import { readMetadataFilter } from '../../users/metadata/metadata-filter.ts';
import { parsePhoneNumber } from '../../users/phone-number.ts';
import type { UserFilter } from './user-list-queries.ts';

const MAX_IDS = 200;

const time = (description: string) =>
  Type.Optional(Type.String({ format: 'date-time', description }));
const day = (description: string) => Type.Optional(Type.String({ format: 'date', description }));
const exact = (maxLength: number) => Type.Optional(Type.String({ minLength: 1, maxLength }));

const metadataFilter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 500,
    description: 'JSON of one path to one value: `{"plan":"pro"}`. An array has its items.',
  }),
);

/** All given ones must hold. */
export const filters = {
  status: Type.Optional(statusSchema),
  country: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'An ISO 3166 code or an English name; any form finds all.',
    }),
  ),
  created_from: time('Created at this time or later.'),
  created_to: time('Created before this time.'),
  last_active_from: day('Last active on this day (UTC) or later.'),
  last_active_to: day('Last active before this day, or never.'),
  ids: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36})*$',
      maxLength: MAX_IDS * 37,
      description: 'Ids, comma separated, 200 at most.',
    }),
  ),
  email: exact(320),
  phone: exact(40),
  external_id: exact(255),
  user_metadata: metadataFilter,
  app_metadata: metadataFilter,
};

type GivenFilter = { type?: Role } & Static<TObject<typeof filters>>;

/** @throws InvalidFields where a well-formed value means nothing */
export function readFilter({ ids, email, phone, country, ...given }: GivenFilter): UserFilter {
  for (const [from, to] of [
    ['created_from', 'created_to'],
    ['last_active_from', 'last_active_to'],
  ] as const) {
    const [first, last] = [given[from], given[to]];
    if (first !== undefined && last !== undefined && Date.parse(first) >= Date.parse(last))
      throw invalid(from, `must be before ${to}`);
  }
  const number = phone === undefined ? undefined : parsePhoneNumber(phone);
  if (phone !== undefined && !number)
    throw invalid('phone', 'is not an international number (E.164: +49...)');
  const { app_metadata: app, user_metadata: user } = given;
  const metadata = [
    ...(app === undefined ? [] : [readMetadataFilter('app', app)]),
    ...(user === undefined ? [] : [readMetadataFilter('user', user)]),
  ];
  const names = [
    ['created_from', 'createdFrom'],
    ['created_to', 'createdTo'],
    ['last_active_from', 'activeFrom'],
    ['last_active_to', 'activeTo'],
    ['external_id', 'externalId'],
    ['type', 'type'],
    ['status', 'status'],
  ] as const;
  return {
    ...Object.fromEntries(
      names.flatMap(([name, of]) => (given[name] === undefined ? [] : [[of, given[name]]])),
    ),
    ...(ids !== undefined && { ids: readIds(ids) }),
    ...(email !== undefined && { emailKey: readEmailKey(email) }),
    ...(number && { phone: number.phone }),
    ...(metadata.length > 0 && { metadata }),
    ...(country !== undefined && { countryCode: readCountryCode(country) }),
  };
}

const invalid = (name: string, message: string): InvalidFields =>
  new InvalidFields([{ pointer: `/querystring/${name}`, message }]);

function readIds(text: string): string[] {
  const ids = text.split(',');
  if (!ids.every(isUuid)) throw invalid('ids', 'must be UUIDs, comma separated');
  return ids;
}

function readCountryCode(typed: string): string {
  const code = findCountry(typed);
  if (code === undefined) throw invalid('country', NO_COUNTRY);
  return code;
}

function readEmailKey(typed: string): string {
  try {
    return parseEmail(typed).emailKey;
  } catch (error) {
    if (error instanceof EmailMalformed) throw invalid('email', 'is not an e-mail address');
    throw error;
  }
}
