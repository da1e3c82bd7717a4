import { Type } from 'typebox';
import { defineRoute, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { CheckpointNotFound, SizesReversed } from '../errors.ts';
import { findCheckpoints } from './tree/checkpoint-queries.ts';

const size = (description: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description });

const querySchema = strictObject({
  from: size('Size of the earlier checkpoint.'),
  to: Type.Optional(size('Size of the later one. Absent: the newest.')),
});
const proofSchema = strictObject({
  old: Type.String(),
  new: Type.String(),
  hashes: Type.Array(Type.String()),
});

/** RFC 6962 §2.1.2. */
export const proveConsistency = defineRoute({
  method: 'GET',
  url: '/api/audit/consistency',
  operation: 'proofs.prove_consistency',
  summary: 'Prove that the log of one checkpoint begins with the log of an earlier one.',
  access: { permission: 'audit:read-own', viewer: true },
  query: querySchema,
  response: { 200: proofSchema },
  errors: [SizesReversed, CheckpointNotFound],
  handler:
    ({ data: { db }, tree }: Pick<AuditContext, 'data' | 'tree'>) =>
    async (request) => {
      const { from, to } = request.query;
      if (to !== undefined && from > to) throw new SizesReversed();
      const found = await findCheckpoints(db, to === undefined ? [from] : [from, to]);
      const older = found.find((checkpoint) => checkpoint.size === from);
      const newer =
        to === undefined
          ? await tree.latestCheckpoint()
          : found.find((checkpoint) => checkpoint.size === to);
      if (!older || !newer) throw new CheckpointNotFound();
      const hashes = await tree.consistencyProof(older.size, newer.size);
      return {
        old: older.note,
        new: newer.note,
        hashes: hashes.map((hash) => hash.toString('base64')),
      };
    },
});
