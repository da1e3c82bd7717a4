import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { CheckpointNotFound, SizesReversed } from '../errors.ts';
import { findCheckpoints, type StoredCheckpoint } from './checkpoint-queries.ts';

const size = (description: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description });

const consistencySchema = Type.Object(
  { old: Type.String(), new: Type.String(), hashes: Type.Array(Type.String()) },
  { additionalProperties: false },
);

/** `GET /api/audit/consistency`: that the log of one checkpoint begins with all of an earlier one's (RFC 6962 §2.1.2). */
export function proveConsistencyRoute({ app, db, tree }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/consistency',
    schema: {
      querystring: Type.Object(
        {
          from: size('Size of the earlier checkpoint.'),
          to: Type.Optional(size('Size of the later one. Absent: the newest.')),
        },
        { additionalProperties: false },
      ),
      response: { 200: consistencySchema },
    },
    config: {
      operation: 'audit.consistency',
      access: { permission: 'audit:read-own', viewer: true },
    },
    handler: async (request) => {
      const { from, to } = request.query;
      if (to !== undefined && from > to) throw new SizesReversed();
      const found = await findCheckpoints(db, to === undefined ? [from] : [from, to]);
      const of = (wanted: number): StoredCheckpoint | undefined =>
        found.find((one) => one.size === wanted);
      const older = of(from);
      const newer = to === undefined ? await tree.latestCheckpoint() : of(to);
      if (!older || !newer) throw new CheckpointNotFound();
      const hashes = await tree.consistencyProof(older.size, newer.size);
      return {
        old: older.note,
        new: newer.note,
        hashes: hashes.map((hash) => hash.toString('base64')),
      };
    },
  });
}
