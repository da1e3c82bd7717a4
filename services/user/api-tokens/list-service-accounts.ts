import {
  CursorInvalid,
  decodeCursor,
  defineRoute,
  pageOf,
  pageQuery,
  toPage,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { findServiceAccounts } from './service-account-queries.ts';
import { serviceAccountSchema, toServiceAccountResource } from './service-account-resource.ts';

/** Lists all service accounts, newest first. */
export const listServiceAccounts = defineRoute({
  method: 'GET',
  url: '/api/users/service-accounts',
  operation: 'api-tokens.list_service_accounts',
  summary: 'List the service accounts.',
  access: { permission: 'service-accounts:manage' },
  query: pageQuery({}),
  response: { 200: pageOf(serviceAccountSchema) },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async (request) => {
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const rows = await findServiceAccounts(db, { limit: limit + 1, before });
      return toPage(rows, limit, toServiceAccountResource);
    },
});
