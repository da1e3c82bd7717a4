import { setTimeout as sleep } from 'node:timers/promises';
import { Type } from 'typebox';
import { defineRoute, idParams, nullable, strictObject } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { AuditLogNotFound, CheckpointPending } from '../errors.ts';
import { readerOf, type Reader } from '../trail/readers/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import type { StoredCheckpoint } from './tree/checkpoint-queries.ts';
import { findSealedLeaf, type SealedLeaf } from './sealed-queries.ts';
import type { Tree } from './tree/tree.ts';

/** While there is news a checkpoint is signed each second. */
const WAIT_MS = 1_500;
const PAUSE_MS = 100;

const proofSchema = strictObject({
  checkpoint: Type.String(),
  index: Type.Integer(),
  tree_size: Type.Integer(),
  hashes: Type.Array(Type.String()),
  leaf: nullable(Type.String()),
});

/** RFC 6962 §2.1.1, under the newest checkpoint. */
export const proveLog = defineRoute({
  method: 'GET',
  url: '/api/audit/logs/:id/proof',
  operation: 'proofs.prove_log',
  summary: 'Prove that an entry is in the log as it was sealed.',
  access: { permission: 'audit:read-own', viewer: true },
  params: idParams,
  response: { 200: proofSchema },
  errors: [AuditLogNotFound, CheckpointPending],
  handler:
    ({ data: { db }, audit, tree }: Pick<AuditContext, 'data' | 'audit' | 'tree'>) =>
    async (request) => {
      const reader = readerOf(request);
      const { id } = request.params;
      const sealed = await findSealedLeaf(db, reader, id);
      if (!sealed) throw new AuditLogNotFound();
      const { index, record } = sealed;
      const { note, size } = await waitForCheckpoint(tree, index);
      const hashes = await tree.inclusionProof(index, size);
      if (showsForeignEntry(sealed, reader))
        await recordReading(audit.record, request, { reader, resource: id });
      return {
        checkpoint: note,
        index,
        tree_size: size,
        hashes: hashes.map((hash) => hash.toString('base64')),
        leaf: record === null ? null : Buffer.from(record).toString('base64'),
      };
    },
});

/** @throws CheckpointPending */
async function waitForCheckpoint(tree: Tree, index: number): Promise<StoredCheckpoint> {
  for (const deadline = performance.now() + WAIT_MS; ;) {
    const newest = await tree.latestCheckpoint();
    if (newest && newest.size > index) return newest;
    if (performance.now() > deadline) throw new CheckpointPending();
    await sleep(PAUSE_MS);
  }
}

/** The leaf is the entry, so a proof reads it. */
const showsForeignEntry = ({ record, user_id, subject }: SealedLeaf, reader: Reader): boolean =>
  reader.kind === 'all' && record !== null && ![user_id, subject].includes(reader.userId);
