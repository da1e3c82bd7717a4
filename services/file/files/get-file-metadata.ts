import type { FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { principalOf } from '@muniment/security';
import type { FileContext } from '../app.ts';
import { FileNotFound } from '../errors.ts';
import { fileParams, fileSchema, toFileResource, type FileResource } from './file-resource.ts';
import { findReadyFile } from './file-queries.ts';

/** GET /api/files/:id/metadata */
export function showFileRoute({ app, db }: FileContext): void {
  app.route({
    method: 'GET',
    url: '/api/files/:id/metadata',
    schema: { params: fileParams, response: { 200: fileSchema } },
    config: { operation: 'file.metadata', access: { permission: 'files:read' } },
    handler: (request) => showFile(db, request),
  });
}

async function showFile(
  db: FileContext['db'],
  request: FastifyRequest<{ Params: Static<typeof fileParams> }>,
): Promise<FileResource> {
  const file = await findReadyFile(db, principalOf(request).id, request.params.id);
  if (!file) throw new FileNotFound();
  return toFileResource(file);
}
