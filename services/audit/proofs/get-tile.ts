import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { TileNotFound } from '../errors.ts';
import { parseTilePath } from './tile-path.ts';

/** What a tile once held it holds for ever, a partial one of its width too. Only the answer to a signed-in caller: hence private. */
export const TILE_CACHE = 'private, max-age=31536000, immutable';

/** `GET /api/audit/tile/<level>/<index>[.p/<width>]`: hashes of the tree (C2SP tlog-tiles). */
export function getTileRoute({ app, tree }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/tile/:level/*',
    schema: {
      params: Type.Object({
        level: Type.String({ pattern: '^(0|[1-9]|[1-5][0-9]|6[0-3])$' }),
        '*': Type.String({ maxLength: 40 }),
      }),
      response: { 200: Type.Unsafe<Buffer>({}) },
    },
    config: { operation: 'audit.tile', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request, reply) => {
      const path = parseTilePath(request.params['*']);
      if (!path) throw new TileNotFound();
      const hashes = await tree
        .tile(Number(request.params.level), path.index, path.width)
        .catch((error: unknown) => {
          throw error instanceof RangeError ? new TileNotFound() : error;
        });
      reply.type('application/octet-stream').header('cache-control', TILE_CACHE);
      return hashes;
    },
  });
}
