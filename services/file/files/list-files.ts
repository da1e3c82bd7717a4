import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { principalOf } from '@muniment/security';
import type { FileContext } from '../app.ts';
import { decodeCursor, encodeCursor } from '@muniment/server';
import { fileSchema, type FileResource } from './file-resource.ts';
import { listReadyFiles } from './file-queries.ts';

const query = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 100,
        description: 'From the Link header of the page before; opaque.',
      }),
    ),
  },
  { additionalProperties: false },
);
type Query = Static<typeof query>;

/** GET /api/files: the caller's files, newest first. The next page is in `Link: <...>; rel="next"` (RFC 8288). */
export function listFilesRoute({ app, db }: FileContext): void {
  app.route({
    method: 'GET',
    url: '/api/files',
    schema: { querystring: query, response: { 200: Type.Array(fileSchema) } },
    config: { operation: 'file.list', access: { permission: 'files:read' } },
    handler: (request, reply) => listFiles(db, request, reply),
  });
}

async function listFiles(
  db: FileContext['db'],
  request: FastifyRequest<{ Querystring: Query }>,
  reply: FastifyReply,
): Promise<FileResource[]> {
  const { limit, cursor } = request.query;
  const before = cursor === undefined ? undefined : decodeCursor(cursor);
  // One more than the page holds tells whether there is another page.
  const rows = await listReadyFiles(db, principalOf(request).id, limit + 1, before);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  if (rows.length > limit && last)
    reply.header('link', `</api/files?limit=${limit}&cursor=${encodeCursor(last.id)}>; rel="next"`);
  return page;
}
