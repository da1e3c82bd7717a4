import type { Kysely } from 'kysely';
import { acquireLease, releaseLease } from '@muniment/database';
import { sealBatch } from '../../sealing/seal-batch.ts';
import type { Tables } from '../../tables.ts';

/**
 * Seals what is stored, as the sealer does, and frees its lease.
 * @param late ids of events that were inserted past the lanes
 */
export async function sealStored(db: Kysely<Tables>, late: readonly string[] = []): Promise<void> {
  const lease = await acquireLease(db, {
    schema: 'audit',
    name: 'sealer',
    holder: 'test',
    ttlMs: 60_000,
  });
  if (!lease) throw new Error('another sealer is at work');
  const sealAll = async (): Promise<void> => {
    while ((await sealBatch(db, lease, { limit: 4_000 })).more);
  };
  await sealAll();
  if (late.length > 0) {
    const lanes = await db.selectFrom('audit.seal_lanes').selectAll().execute();
    await db.updateTable('audit.seal_lanes').set({ sealed_seq: Number.MAX_SAFE_INTEGER }).execute();
    await db
      .insertInto('audit.seal_late')
      .values(late.map((event_id) => ({ event_id })))
      .execute();
    await sealAll();
    for (const { source, lane, sealed_seq } of lanes)
      await db
        .updateTable('audit.seal_lanes')
        .set({ sealed_seq })
        .where('source', '=', source)
        .where('lane', '=', lane)
        .execute();
  }
  await releaseLease(db, lease);
}
