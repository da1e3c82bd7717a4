import { setTimeout as sleep } from 'node:timers/promises';
import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { AuditLogNotFound, CheckpointPending } from '../errors.ts';
import type { StoredCheckpoint } from './checkpoint-queries.ts';
import { findSealedLeaf } from './sealed-queries.ts';
import { readerOf } from '../trail/reader.ts';
import { recordReading } from '../trail/record-reading.ts';
import type { Tree } from './tree.ts';

/** A checkpoint is signed each second while there is news. */
const WAIT_MS = 1_500;
const LOOK_MS = 100;

const proofSchema = Type.Object(
  {
    checkpoint: Type.String(),
    index: Type.Integer(),
    tree_size: Type.Integer(),
    hashes: Type.Array(Type.String()),
    leaf: Type.Union([Type.String(), Type.Null()]),
  },
  { additionalProperties: false },
);

async function checkpointOver(tree: Tree, index: number): Promise<StoredCheckpoint> {
  for (const deadline = performance.now() + WAIT_MS; ;) {
    const newest = await tree.latestCheckpoint();
    if (newest && newest.size > index) return newest;
    if (performance.now() > deadline) throw new CheckpointPending();
    await sleep(LOOK_MS);
  }
}

/** `GET /api/audit/logs/:id/proof`: that the entry is in the log as it was sealed (RFC 6962 §2.1.1), under the newest checkpoint. */
export function proveLogRoute(server: AuditContext): void {
  const { app, db, tree } = server;
  app.route({
    method: 'GET',
    url: '/api/audit/logs/:id/proof',
    schema: {
      params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
      response: { 200: proofSchema },
    },
    config: { operation: 'audit.proof', access: { permission: 'audit:read-own', viewer: true } },
    handler: async (request) => {
      const reader = readerOf(request);
      const { id } = request.params;
      const sealed = await findSealedLeaf(db, reader, id);
      if (!sealed) throw new AuditLogNotFound();
      const { index, record } = sealed;
      const { note, size } = await checkpointOver(tree, index);
      const hashes = await tree.inclusionProof(index, size);
      // The leaf is the entry, so it is read.
      if (
        reader.kind === 'all' &&
        record !== null &&
        ![sealed.user_id, sealed.subject].includes(reader.userId)
      )
        await recordReading(server, request, reader, { resource: id });
      return {
        checkpoint: note,
        index,
        tree_size: size,
        hashes: hashes.map((hash) => hash.toString('base64')),
        leaf: record === null ? null : Buffer.from(record).toString('base64'),
      };
    },
  });
}
