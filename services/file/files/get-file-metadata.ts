import { principalOf } from '@muniment/security';
import { defineRoute, idParams } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { FileNotFound } from '../errors.ts';
import { fileSchema, toFileResource } from './file-resource.ts';

/** Shows what is known of a file without its bytes. */
export const getFileMetadata = defineRoute({
  method: 'GET',
  url: '/api/files/:id/metadata',
  operation: 'files.get_file_metadata',
  summary: 'Get the name, size, type and hash of a file.',
  access: { permission: 'files:read' },
  params: idParams,
  response: { 200: fileSchema },
  errors: [FileNotFound],
  handler:
    ({ findFile }: Pick<FileContext, 'findFile'>) =>
    async (request) => {
      const { id: userId } = principalOf(request);
      const file = await findFile({ userId, id: request.params.id });
      if (!file) throw new FileNotFound();
      return toFileResource(file);
    },
});
