import { createEventRecorder } from '@muniment/audit-events';
import { repeat } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { announce } from './announce.ts';
import { openRetention } from './open-retention.ts';
import { retain } from './retention.ts';
import { measureRetention } from './retention-metrics.ts';

type Parts = Pick<AuditContext, 'bucket' | 'config' | 'data' | 'http' | 'crypto' | 'tree'>;

async function archiveOldMonths(parts: Parts): Promise<void> {
  const { config, data, http, crypto } = parts;
  if (config.AUDIT_RETENTION_MONTHS === 0) {
    // A restore without a policy may have died before it recorded its event.
    const { subjectKeys } = crypto;
    const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
    return announce(data.db, recordEvent);
  }
  const retention = await openRetention(parts);
  if (!retention) {
    http.log.warn(
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
}

/** Archives months older than the policy. Off without AUDIT_RETENTION_MONTHS and its role. */
export function startRetention(context: Parts & Pick<AuditContext, 'jobs' | 'metrics'>): void {
  const { config, data, http, jobs, metrics } = context;
  measureRetention(data.db, metrics, config.AUDIT_RETENTION_MONTHS);
  jobs.add(
    repeat(
      'retention',
      config.AUDIT_RETENTION_PAUSE_MS,
      () => archiveOldMonths(context),
      (error) => http.log.warn({ err: error }, 'months could not be archived; retrying'),
    ),
  );
}
