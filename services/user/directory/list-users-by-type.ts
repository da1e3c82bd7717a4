import { Type } from 'typebox';
import { CursorInvalid, defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { roleSchema } from '../users/directory-resource.ts';
import { readUserPage, typedListQuery, userCursors, userPageSchema } from './list-page.ts';

type ListContext = Pick<UserContext, 'audit' | 'data' | 'limits'>;

export const listUsersByType = defineRoute({
  method: 'GET',
  url: '/api/users/by-type/:type',
  operation: 'directory.list_users_by_type',
  summary: 'List users of one type by filter and order.',
  access: { permission: 'directory:read' },
  params: Type.Object({ type: roleSchema }),
  query: typedListQuery,
  response: { 200: userPageSchema },
  errors: [CursorInvalid],
  handler: (context: ListContext) => {
    const paging = { ...context, cursors: userCursors(context) };
    return async (request) => {
      const { type } = request.params;
      return readUserPage(paging, request, { ...request.query, type });
    };
  },
});
