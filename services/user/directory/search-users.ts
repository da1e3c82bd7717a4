import { Type } from 'typebox';
import { CursorInvalid, defineRoute, strictObject } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { findDirectoryUsers } from '../users/directory-queries.ts';
import { toDirectoryUser } from '../users/directory-resource.ts';
import {
  compareCandidates,
  findCandidates,
  type Candidate,
} from '../users/search/find-candidates.ts';
import { cursorSchema, limitSchema, userCursors, userPageSchema } from './list-page.ts';

const querySchema = strictObject({
  q: Type.String({
    minLength: 1,
    maxLength: 320,
    description:
      'An id, an address, a phone number, or the beginning of a name, of the part of an address ' +
      'before the @, or of a label of its domain. One typing error from four letters on.',
  }),
  limit: limitSchema,
  cursor: cursorSchema,
});

export const searchUsers = defineRoute({
  method: 'GET',
  url: '/api/users/search',
  operation: 'directory.search_users',
  summary: 'Find users by one box, the best first.',
  access: { permission: 'directory:read' },
  query: querySchema,
  response: { 200: userPageSchema },
  errors: [CursorInvalid],
  handler: ({ data: { db }, limits }: Pick<UserContext, 'data' | 'limits'>) => {
    const cursors = userCursors({ limits });
    return async (request) => {
      const { q, limit, cursor } = request.query;
      const boundTo = { list: 'users.search', q };
      const after = cursor === undefined ? undefined : toCandidate(cursors.open(cursor, boundTo));
      const { ranked, more } = await findCandidates(db, q);
      const rest = after
        ? ranked.filter((candidate) => compareCandidates(candidate, after) > 0)
        : ranked;
      const page = rest.slice(0, limit);
      const users = await findDirectoryUsers(
        db,
        page.map(({ id }) => id),
      );
      const byId = new Map(users.map((user) => [user.id, user]));
      const last = rest.length > limit ? page.at(-1) : undefined;
      return {
        data: page.flatMap(({ id }) => {
          const user = byId.get(id);
          return user ? [toDirectoryUser(user)] : [];
        }),
        next_cursor: last ? cursors.seal([String(last.rank), last.id], boundTo) : null,
        count: { count: ranked.length, relation: more ? 'at_least' : 'exact' } as const,
      };
    };
  },
});

const toCandidate = ([rank, id = '']: string[]): Candidate => ({
  rank: Number(rank) as Candidate['rank'],
  id,
});
