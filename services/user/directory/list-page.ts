import type { FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { createBoundCursors, nullable, strictObject, type BoundCursors } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { roleSchema, toDirectoryUser } from '../users/directory-resource.ts';
import {
  countUsers,
  findUserPage,
  type UserFilter,
  type UserOrder,
} from './lists/user-list-queries.ts';
import { addIncluded, includeSchema, readInclude } from './include.ts';
import { filters, readFilter } from './lists/list-filter.ts';
import { listedUserSchema } from './listed-user-resource.ts';

/** A count beyond says only that there are at least so many. */
const MAX_COUNT = 10_000;
/** Cursors hold an address at most, with its nonce and tag. */
export const cursorSchema = Type.Optional(Type.String({ minLength: 1, maxLength: 600 }));
export const limitSchema = Type.Integer({ minimum: 1, maximum: 200, default: 50 });

const ORDERS = ['-created', 'created', 'email', '-email', 'last_active', '-last_active'] as const;

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
  include: includeSchema,
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
  data: Type.Array(listedUserSchema),
  next_cursor: nullable(Type.String()),
  count: Type.Optional(countSchema),
});

/** The cursors of all lists and searches of users, which bind each to its own. */
export const userCursors = ({ limits }: Pick<UserContext, 'limits'>): BoundCursors =>
  createBoundCursors(limits.secret('directory-cursors'));

type PageContext = Pick<UserContext, 'audit' | 'data'>;

/** @throws CursorInvalid, and as `readFilter` and `readInclude` */
export async function readUserPage(
  context: PageContext & { cursors: BoundCursors },
  request: FastifyRequest,
  { limit, cursor, order: stated, count: wantsCount, include: wanted, ...given }: ListQuery,
): Promise<Static<typeof userPageSchema>> {
  const { cursors } = context;
  const { db } = context.data;
  const boundTo = { list: 'users', order: stated, filter: given };
  const after = cursor === undefined ? undefined : cursors.open(cursor, boundTo);
  const filter = readFilter(given);
  const include = await readInclude(context, request, wanted);
  const rows = await findUserPage(db, {
    filter,
    order: stated.replace(/^-/, '') as UserOrder,
    descending: stated.startsWith('-'),
    after,
    limit: limit + 1,
    metadata: include.has('metadata'),
  });
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  const users = page.map(({ order_key: _key, ...user }) => toDirectoryUser(user));
  return {
    data: await addIncluded(db, request, { users, include }),
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
