import type { FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { principalOf } from '@muniment/security';
import type { FileContext } from '../app.ts';
import { FileNotFound } from '../errors.ts';
import { fileParams } from './file-resource.ts';
import { markFileDeleted } from './file-queries.ts';

/** DELETE /api/files/:id: gone for everybody at once; its bytes are removed by the settler. */
export function deleteFileRoute(server: FileContext): void {
  server.app.route({
    method: 'DELETE',
    url: '/api/files/:id',
    schema: { params: fileParams, response: { 204: Type.Null() } },
    config: { operation: 'file.delete', access: { permission: 'files:write' } },
    async handler(request, reply) {
      await deleteFile(server, request);
      return reply.code(204).send(null);
    },
  });
}

async function deleteFile(
  { inTransaction }: FileContext,
  request: FastifyRequest<{ Params: Static<typeof fileParams> }>,
): Promise<void> {
  await inTransaction(request, async (trx, record) => {
    const file = await markFileDeleted(trx, principalOf(request).id, request.params.id);
    if (!file) throw new FileNotFound();
    await record({
      action: 'FILE_DELETE',
      resource: file.id,
      resource_type: 'file',
      personal: { filename: file.name },
      metadata: { size: file.size },
    });
  });
}
