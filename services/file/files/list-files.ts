import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import {
  CursorInvalid,
  decodeCursor,
  defineRoute,
  encodeCursor,
  pageQuery,
} from '@muniment/server';
import type { FileContext } from '../context.ts';
import { listReadyFiles } from './file-queries.ts';
import { fileSchema } from './file-resource.ts';

/** Lists the caller's files, newest first, with the next page in `Link` (RFC 8288). */
export const listFiles = defineRoute({
  method: 'GET',
  url: '/api/files',
  operation: 'files.list_files',
  summary: 'List the files of the caller.',
  access: { permission: 'files:read' },
  query: pageQuery({}),
  response: { 200: Type.Array(fileSchema) },
  sends: { 200: ['Link'] },
  errors: [CursorInvalid],
  handler:
    ({ data: { db } }: Pick<FileContext, 'data'>) =>
    async (request, reply) => {
      const { id: userId } = principalOf(request);
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      // One row more than the page tells whether there is another page.
      const rows = await listReadyFiles(db, userId, { limit: limit + 1, before });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      if (last) {
        const next = `/api/files?limit=${limit}&cursor=${encodeCursor(last.id)}`;
        reply.header('link', `<${next}>; rel="next"`);
      }
      return page;
    },
});
