import { createEventRecorder } from '@muniment/audit-events';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { announce } from './announce.ts';
import { openRetention } from './open-retention.ts';
import { retain } from './retention.ts';
import { measureRetention } from './retention-metrics.ts';

type Parts = Pick<
  AuditContext,
  'bucket' | 'config' | 'db' | 'log' | 'metrics' | 'subjectKeys' | 'tree'
>;

async function archiveOldMonths(parts: Parts): Promise<void> {
  const { config, db, log, subjectKeys } = parts;
  if (config.AUDIT_RETENTION_MONTHS === 0) {
    // A restore without a policy may have died before it recorded its event.
    const recordEvent = createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys });
    return announce(db, recordEvent);
  }
  const retention = await openRetention(parts);
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
}

/** Archives months older than the policy. Off without AUDIT_RETENTION_MONTHS and its database role. */
export function createRetentionLoop(parts: Parts): BackgroundLoop {
  const { config, db, log, metrics } = parts;
  measureRetention(db, metrics, config.AUDIT_RETENTION_MONTHS);
  return repeat(
    'retention',
    config.AUDIT_RETENTION_PAUSE_MS,
    () => archiveOldMonths(parts),
    (error) => log.warn({ err: error }, 'months could not be archived; it is tried again'),
  );
}
