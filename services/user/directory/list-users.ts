import { CursorInvalid, defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { listQuery, readUserPage, userCursors, userPageSchema } from './list-page.ts';

type ListContext = Pick<UserContext, 'audit' | 'data' | 'limits'>;

export const listUsers = defineRoute({
  method: 'GET',
  url: '/api/users',
  operation: 'directory.list_users',
  summary: 'List users by filter and order.',
  access: { permission: 'directory:read' },
  query: listQuery,
  response: { 200: userPageSchema },
  errors: [CursorInvalid],
  handler: (context: ListContext) => {
    const paging = { ...context, cursors: userCursors(context) };
    return async (request) => readUserPage(paging, request, request.query);
  },
});
