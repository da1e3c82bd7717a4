import { CursorInvalid, defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { readUserPage, typedListQuery, userCursors, userPageSchema } from './list-page.ts';

type ListContext = Pick<UserContext, 'audit' | 'data' | 'limits'>;

export const listVendors = defineRoute({
  method: 'GET',
  url: '/api/users/vendors',
  operation: 'directory.list_vendors',
  summary: 'List vendors by filter and order.',
  access: { permission: 'directory:read' },
  query: typedListQuery,
  response: { 200: userPageSchema },
  errors: [CursorInvalid],
  handler: (context: ListContext) => {
    const paging = { ...context, cursors: userCursors(context) };
    return async (request) => readUserPage(paging, request, { ...request.query, type: 'vendor' });
  },
});
