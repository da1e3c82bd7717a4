import { Type, type Static } from 'typebox';
import {
  createBoundCursors,
  InvalidFields,
  isUuid,
  nullable,
  strictObject,
  type BoundCursors,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailMalformed } from '../errors.ts';
import {
  countUsers,
  findUserPage,
  type UserFilter,
  type UserOrder,
} from '../users/directory-queries.ts';
import {
  directoryUserSchema,
  roleSchema,
  statusSchema,
  toDirectoryUser,
  type DirectoryUserResource,
} from '../users/directory-resource.ts';
import { parseEmail } from '../users/email-address.ts';
import { parsePhoneNumber } from '../users/phone-number.ts';

/** A count beyond says only that there are at least so many. */
const MAX_COUNT = 10_000;
const MAX_IDS = 200;

const time = (description: string) =>
  Type.Optional(Type.String({ format: 'date-time', description }));
const day = (description: string) => Type.Optional(Type.String({ format: 'date', description }));
const exact = (maxLength: number) => Type.Optional(Type.String({ minLength: 1, maxLength }));

/** Cursors hold an address at most, with its nonce and tag. */
export const cursorSchema = Type.Optional(Type.String({ minLength: 1, maxLength: 600 }));
export const limitSchema = Type.Integer({ minimum: 1, maximum: 200, default: 50 });

const ORDERS = ['-created', 'created', 'email', '-email', 'last_active', '-last_active'] as const;

const filters = {
  status: Type.Optional(statusSchema),
  country: exact(100),
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
};

const paging = {
  limit: limitSchema,
  cursor: cursorSchema,
  order: Type.Unsafe<(typeof ORDERS)[number]>(
    Type.Union(
      ORDERS.map((order) => Type.Literal(order)),
      { default: '-created', description: 'With - in front: descending.' },
    ),
  ),
  count: Type.Boolean({ default: false, description: 'Whether to count under the same filter.' }),
};

/** The query of a list of one type. */
export const typedListQuery = strictObject({ ...paging, ...filters });
export const listQuery = strictObject({ ...paging, type: Type.Optional(roleSchema), ...filters });
export type ListQuery = Static<typeof listQuery>;

const countSchema = Type.Object({
  count: Type.Integer(),
  relation: Type.Union([Type.Literal('exact'), Type.Literal('at_least')]),
});

export const userPageSchema = Type.Object({
  data: Type.Array(directoryUserSchema),
  next_cursor: nullable(Type.String()),
  count: Type.Optional(countSchema),
});

/** The cursors of all lists and searches of users, which bind each to its own. */
export const userCursors = ({ limits }: Pick<UserContext, 'limits'>): BoundCursors =>
  createBoundCursors(limits.secret('directory-cursors'));

/** @throws CursorInvalid, InvalidFields */
export async function readUserPage(
  { data: { db } }: Pick<UserContext, 'data'>,
  cursors: BoundCursors,
  { limit, cursor, order: stated, count: wantsCount, ...given }: ListQuery,
): Promise<Static<typeof userPageSchema>> {
  const boundTo = { list: 'users', order: stated, filter: given };
  const after = cursor === undefined ? undefined : cursors.open(cursor, boundTo);
  const filter = readFilter(given);
  const descending = stated.startsWith('-');
  const order = stated.replace(/^-/, '') as UserOrder;
  const rows = await findUserPage(db, { filter, order, descending, after, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    data: page.map(({ order_key: _key, ...user }): DirectoryUserResource => toDirectoryUser(user)),
    next_cursor: last ? cursors.seal([last.order_key, last.id], boundTo) : null,
    ...(wantsCount && { count: await honestCount(db, filter) }),
  };
}

async function honestCount(
  db: UserContext['data']['db'],
  filter: UserFilter,
): Promise<Static<typeof countSchema>> {
  const count = await countUsers(db, filter, MAX_COUNT + 1);
  return count > MAX_COUNT
    ? { count: MAX_COUNT, relation: 'at_least' }
    : { count, relation: 'exact' };
}

type GivenFilter = Omit<ListQuery, keyof typeof paging>;

/** @throws InvalidFields where a well-formed value means nothing */
function readFilter({ ids, email, phone, ...given }: GivenFilter): UserFilter {
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
  const names = [
    ['created_from', 'createdFrom'],
    ['created_to', 'createdTo'],
    ['last_active_from', 'activeFrom'],
    ['last_active_to', 'activeTo'],
    ['external_id', 'externalId'],
    ['type', 'type'],
    ['status', 'status'],
    ['country', 'country'],
  ] as const;
  return {
    ...Object.fromEntries(
      names.flatMap(([name, of]) => (given[name] === undefined ? [] : [[of, given[name]]])),
    ),
    ...(ids !== undefined && { ids: readIds(ids) }),
    ...(email !== undefined && { emailKey: readEmailKey(email) }),
    ...(number && { phone: number.phone }),
  };
}

const invalid = (name: string, message: string): InvalidFields =>
  new InvalidFields([{ pointer: `/querystring/${name}`, message }]);

function readIds(text: string): string[] {
  const ids = text.split(',');
  if (!ids.every(isUuid)) throw invalid('ids', 'must be UUIDs, comma separated');
  return ids;
}

function readEmailKey(typed: string): string {
  try {
    return parseEmail(typed).emailKey;
  } catch (error) {
    if (error instanceof EmailMalformed) throw invalid('email', 'is not an e-mail address');
    throw error;
  }
}
