import { Type } from 'typebox';
import { defineRoute, rawBody } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { TileNotFound } from '../errors.ts';
import { readerOf } from '../trail/readers/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import { TILE_WIDTH } from './tree/grow-tree.ts';
import { listRecords } from './sealed-queries.ts';
import { parseTilePath } from './tile-path.ts';

const MAX_INDEX = Number.MAX_SAFE_INTEGER / TILE_WIDTH - 1;

/** Serves the leaves of a tile as long as their month is not archived. */
export const getEntryBundle = defineRoute({
  method: 'GET',
  url: '/api/audit/tile/entries/*',
  operation: 'proofs.get_entry_bundle',
  summary: 'Get the entries of a tile of the log.',
  access: { permission: 'audit:read-all' },
  params: Type.Object({ '*': Type.String({ maxLength: 40 }) }),
  response: { 200: rawBody('An entry bundle (C2SP tlog-tiles).', 'application/octet-stream') },
  errors: [TileNotFound],
  handler:
    ({ data: { db }, audit }: Pick<AuditContext, 'data' | 'audit'>) =>
    async (request, reply) => {
      const path = parseTilePath(request.params['*']);
      if (!path || path.index > MAX_INDEX) throw new TileNotFound();
      const first = path.index * TILE_WIDTH;
      const records = await listRecords(db, first, path.width);
      if (records.length < path.width) throw new TileNotFound();
      const reader = readerOf(request);
      await recordReading(audit.record, request, { reader, first, count: path.width });
      // Entries say what people did, so no cache may store them.
      reply.type('application/octet-stream').header('cache-control', 'no-store');
      return encodeBundle(records);
    },
});

/** Each entry behind its length in two bytes. An event has 16 KiB at most. */
function encodeBundle(records: readonly string[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const entry = Buffer.from(record);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}
