import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { defineRoute, idParams, requirePreconditions } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { FileNotFound } from '../errors.ts';
import { fileDeleted } from './file-events.ts';
import { markFileDeleted } from './file-queries.ts';
import { fileValidators } from './file-resource.ts';

/** Deletes a file at once. The cleanup removes its bytes later. */
export const deleteFile = defineRoute({
  method: 'DELETE',
  url: '/api/files/:id',
  operation: 'files.delete_file',
  summary: 'Delete a file.',
  access: { permission: 'files:write' },
  params: idParams,
  response: { 204: Type.Null() },
  errors: [FileNotFound],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<FileContext, 'data'>) =>
    async (request, reply) => {
      const { id: userId } = principalOf(request);
      await data.inTransaction(request, async (trx, record) => {
        const file = await markFileDeleted(trx, { userId, id: request.params.id });
        if (!file) throw new FileNotFound();
        requirePreconditions(request, fileValidators(file));
        await record(fileDeleted(file));
      });
      return reply.code(204).send(null);
    },
});
