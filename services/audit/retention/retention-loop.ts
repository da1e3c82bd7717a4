import { Gauge } from 'prom-client';
import { sql } from 'kysely';
import { createEventRecorder } from '@muniment/audit-events';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { listArchivedMonths, listMonthsToArchive } from './archive-queries.ts';
import { announce } from './announce.ts';
import { openRetention } from './open-retention.ts';
import { retain } from './retention.ts';

/** Looks now and then for months older than the policy, and moves them. Off without an age, and without the role that may. */
export function createRetentionLoop(
  server: Pick<
    AuditContext,
    'bucket' | 'config' | 'db' | 'log' | 'metrics' | 'subjectKeys' | 'tree'
  >,
): BackgroundLoop {
  const { config, db, log, metrics } = server;
  measureDefaultPartition(server);
  const months = new Gauge({
    name: 'muniment_audit_archived_months',
    help: 'Months of the trail that lie in the bucket and not in the database.',
    registers: [metrics],
    async collect() {
      const archived = await listArchivedMonths(db).catch(() => undefined);
      months.set(archived?.length ?? NaN);
    },
  });
  const overdue = new Gauge({
    name: 'muniment_audit_overdue_months',
    help: 'Months past the policy that still lie in the database. More than 0 for a day is an alarm.',
    registers: [metrics],
    async collect() {
      const months =
        config.AUDIT_RETENTION_MONTHS === 0
          ? []
          : await listMonthsToArchive(db, config.AUDIT_RETENTION_MONTHS).catch(() => undefined);
      overdue.set(months?.length ?? NaN);
    },
  });
  return repeat(
    'retention',
    config.AUDIT_RETENTION_PAUSE_MS,
    async () => {
      if (config.AUDIT_RETENTION_MONTHS === 0) {
        // A restore without a policy may have died before it recorded its event.
        await announce(
          db,
          createEventRecorder({
            source: 'audit',
            schema: 'audit',
            subjectKeys: server.subjectKeys,
          }),
        );
        return;
      }
      const retention = await openRetention(server);
      if (!retention) {
        log.warn(
          {},
          'AUDIT_RETENTION_MONTHS is set and AUDIT_RETENTION_DATABASE_URL is not: nothing is archived',
        );
        return;
      }
      try {
        await retain(retention.options);
      } finally {
        await retention.close();
      }
    },
    (error) => log.warn({ err: error }, 'months could not be archived; it is tried again'),
  );
}

/** Rows there keep the months they belong to from having a partition, and so from retention. There should be none: an alarm. */
function measureDefaultPartition({ db, metrics }: Pick<AuditContext, 'db' | 'metrics'>): void {
  const rows = new Gauge({
    name: 'muniment_audit_default_partition_rows',
    help: 'Events outside of every month that has a partition: from a clock far off, or of a month that was archived. More than 0 is an alarm.',
    registers: [metrics],
    async collect() {
      const count = await sql<{ rows: number }>`select audit.default_partition_rows() as rows`
        .execute(db)
        .catch(() => undefined);
      rows.set(count?.rows[0]?.rows ?? NaN);
    },
  });
}
