import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { TileNotFound } from '../errors.ts';
import { listRecords } from './sealed-queries.ts';
import { readerOf } from '../trail/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import { TILE_WIDTH } from './grow-tree.ts';
import { parseTilePath } from './tile-path.ts';

/** Each entry behind its length in two bytes. An event has 16 KiB at most. */
function bundle(records: readonly string[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const entry = Buffer.from(record);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** `GET /api/audit/tile/entries/<index>[.p/<width>]`: the leaves of a tile, an entry bundle (C2SP tlog-tiles), as long as their month is not archived. */
export function getEntryBundleRoute(server: AuditContext): void {
  const { app, db } = server;
  app.route({
    method: 'GET',
    url: '/api/audit/tile/entries/*',
    schema: {
      params: Type.Object({ '*': Type.String({ maxLength: 40 }) }),
      response: { 200: Type.Unsafe<Buffer>({}) },
    },
    config: { operation: 'audit.entries', access: { permission: 'audit:read-all' } },
    handler: async (request, reply) => {
      const path = parseTilePath(request.params['*']);
      if (!path || path.index > Number.MAX_SAFE_INTEGER / TILE_WIDTH - 1) throw new TileNotFound();
      const records = await listRecords(db, path.index * TILE_WIDTH, path.width);
      if (records.length < path.width) throw new TileNotFound();
      await recordReading(server, request, readerOf(request), {
        first: path.index * TILE_WIDTH,
        count: path.width,
      });
      // Not to be kept by anybody on the way: it is what people did.
      reply.type('application/octet-stream').header('cache-control', 'no-store');
      return bundle(records);
    },
  });
}
