import type { Kysely } from 'kysely';
import { acquireLease, releaseLease } from '@muniment/database';
import { sealBatch } from '../seal/seal-batch.ts';
import type { Tables } from '../tables.ts';

/**
 * Seals what is stored, as the sealer does, and lets go of its lease.
 * @param late ids of events that were put into the table past the lanes
 */
export async function sealStored(db: Kysely<Tables>, late: readonly string[] = []): Promise<void> {
  if (late.length > 0) await db.insertInto('audit.seal_late').values(late.map((event_id) => ({ event_id }))).execute();
  const lease = await acquireLease(db, 'audit', 'sealer', 'test', 60_000);
  if (!lease) throw new Error('another sealer is at work');
  while ((await sealBatch(db, lease, 4_000)).more);
  await releaseLease(db, lease);
}
