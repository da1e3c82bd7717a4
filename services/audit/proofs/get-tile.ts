import { Type } from 'typebox';
import { defineRoute, rawBody } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { TileNotFound } from '../errors.ts';
import { parseTilePath } from './tile-path.ts';

/** Tiles never change. Private, as the answer is for a signed-in caller. */
const TILE_CACHE = 'private, max-age=31536000, immutable';

const paramsSchema = Type.Object({
  level: Type.String({ pattern: '^(0|[1-9]|[1-5][0-9]|6[0-3])$' }),
  '*': Type.String({ maxLength: 40 }),
});

export const getTile = defineRoute({
  method: 'GET',
  url: '/api/audit/tile/:level/*',
  operation: 'proofs.get_tile',
  summary: 'Get hashes of the tree.',
  access: { permission: 'audit:read-own', viewer: true },
  params: paramsSchema,
  response: { 200: rawBody('A tile of hashes (C2SP tlog-tiles).', 'application/octet-stream') },
  errors: [TileNotFound],
  handler:
    ({ tree }: Pick<AuditContext, 'tree'>) =>
    async (request, reply) => {
      const path = parseTilePath(request.params['*']);
      if (!path) throw new TileNotFound();
      const level = Number(request.params.level);
      const hashes = await tree.tile(level, path.index, path.width).catch((error: unknown) => {
        throw error instanceof RangeError ? new TileNotFound() : error;
      });
      reply.type('application/octet-stream').header('cache-control', TILE_CACHE);
      return hashes;
    },
});
