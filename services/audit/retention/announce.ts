import type { Kysely } from 'kysely';
import type { RecordEvent } from '@muniment/audit-events';
import { markAnnounced, listUnannouncedArchives, type ArchiveState } from './archive-queries.ts';
import type { Tables } from '../tables.ts';

const eventOf = (archive: ArchiveState, what: 'drop' | 'restore') => ({
  action: what === 'drop' ? 'LOG_ARCHIVED' : 'LOG_RESTORED',
  // No request and no person caused it: the log itself is the subject.
  subject: { address: 'retention' },
  personal: {},
  resource: archive.month,
  resource_type: 'log_month',
  request_id: `retention-${archive.month}`,
  metadata: {
    object_key: archive.object_key,
    rows: archive.rows,
    first_index: archive.first_index,
    last_index: archive.last_index,
    tree_size: archive.tree_size,
    sha256: archive.sha256.toString('hex'),
    ...(what === 'restore' && { keep_until: archive.keep_until?.toISOString() ?? null }),
  },
});

/**
 * Records an event for each archived or restored month that has none yet: exactly one, after any
 * crash.
 */
export async function announce(db: Kysely<Tables>, recordEvent: RecordEvent): Promise<void> {
  for (const archive of await listUnannouncedArchives(db)) {
    for (const what of ['drop', 'restore'] as const) {
      const [happened, announced] =
        what === 'drop'
          ? [archive.dropped_at, archive.drop_announced]
          : [archive.restored_at, archive.restore_announced];
      if (happened === null || happened.getTime() === announced?.getTime()) continue;
      await db.transaction().execute(async (trx) => {
        if (await markAnnounced(trx, archive.month, what))
          await recordEvent(trx, eventOf(archive, what));
      });
    }
  }
}
