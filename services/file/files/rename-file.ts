import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { defineRoute, idParams, requirePreconditions, strictObject } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { FileNotFound, NameInvalid } from '../errors.ts';
import { fileRenamed } from './file-events.ts';
import { checkFileName } from './file-name.ts';
import { updateFileName } from './file-queries.ts';
import { fileSchema, fileValidators, toFileResource } from './file-resource.ts';

/** Gives a file another name. */
export const renameFile = defineRoute({
  method: 'PATCH',
  url: '/api/files/:id',
  operation: 'files.rename_file',
  summary: 'Rename a file.',
  access: { permission: 'files:write' },
  params: idParams,
  body: strictObject({ name: Type.String({ minLength: 1, maxLength: 1_024 }) }),
  response: { 200: fileSchema },
  errors: [FileNotFound, NameInvalid],
  preconditions: 'handler',
  handler:
    ({ data }: Pick<FileContext, 'data'>) =>
    async (request) => {
      const { id: userId } = principalOf(request);
      const { id } = request.params;
      const name = checkFileName(request.body.name);
      return data.inTransaction(request, async (trx, record) => {
        const file = await updateFileName(trx, { userId, id, name });
        if (!file) throw new FileNotFound();
        requirePreconditions(request, fileValidators(file));
        await record(fileRenamed(file));
        return toFileResource(file);
      });
    },
});
