import type { FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { principalOf } from '@muniment/security';
import type { FileContext } from '../app.ts';
import { FileNotFound } from '../errors.ts';
import { checkFileName } from './file-name.ts';
import { fileParams, fileSchema, toFileResource, type FileResource } from './file-resource.ts';
import { renameFile } from './file-queries.ts';

const body = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 1_024 }) },
  { additionalProperties: false },
);
type Rename = FastifyRequest<{ Params: Static<typeof fileParams>; Body: Static<typeof body> }>;

/** PATCH /api/files/:id: gives the file another name. */
export function renameFileRoute({ app, inTransaction }: FileContext): void {
  app.route({
    method: 'PATCH',
    url: '/api/files/:id',
    schema: { params: fileParams, body, response: { 200: fileSchema } },
    config: { operation: 'file.rename', access: { permission: 'files:write' } },
    handler: (request) => rename(inTransaction, request),
  });
}

async function rename(
  inTransaction: FileContext['inTransaction'],
  request: Rename,
): Promise<FileResource> {
  const name = checkFileName(request.body.name);
  return inTransaction(request, async (trx, record) => {
    const file = await renameFile(trx, principalOf(request).id, request.params.id, name);
    if (!file) throw new FileNotFound();
    await record({
      action: 'FILE_RENAMED',
      resource: file.id,
      resource_type: 'file',
      personal: { filename: name },
    });
    return toFileResource(file);
  });
}
