import { sql, type Kysely } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Tables } from '../tables.ts';
import { listArchivedMonths, listMonthsToArchive } from './archive-queries.ts';

/** Puts the months' state into the replica's metrics. A scrape must not fail with the database. */
export function measureRetention(
  db: Kysely<Tables>,
  registry: Registry,
  retentionMonths: number,
): void {
  const gauge = (name: string, help: string, read: () => Promise<number>): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await read().catch(() => NaN));
      },
    });
  };
  gauge(
    'muniment_audit_archived_months',
    'Months of the trail that lie in the bucket and not in the database.',
    async () => (await listArchivedMonths(db)).length,
  );
  gauge(
    'muniment_audit_overdue_months',
    'Months past the policy that still lie in the database. More than 0 for a day is an alarm.',
    async () =>
      retentionMonths === 0 ? 0 : (await listMonthsToArchive(db, retentionMonths)).length,
  );
  // Rows there keep their months from having a partition, and so from retention.
  gauge(
    'muniment_audit_default_partition_rows',
    'Events outside of every month that has a partition: from a clock far off, ' +
      'or of a month that was archived. More than 0 is an alarm.',
    async () => {
      const { rows } = await sql<{ rows: number }>`
        select audit.default_partition_rows() as rows`.execute(db);
      return rows[0]?.rows ?? NaN;
    },
  );
}
