import { createEventRecorder } from '@muniment/audit-events';
import { loadLogKeys } from '@muniment/audit-key';
import { createDatabase } from '@muniment/database';
import type { AuditContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import type { RetentionOptions } from './retention.ts';

/** A month is counted and read in one statement each. */
const STATEMENT_TIMEOUT_MS = 10 * 60_000;

export interface OpenRetention {
  options: RetentionOptions;
  close(): Promise<void>;
}

type Parts = Pick<AuditContext, 'bucket' | 'config' | 'log' | 'subjectKeys' | 'tree'>;

/** What retention works with: connections of its own, since its statements take longer than a request's may. @returns undefined where it has no role to do it with */
export async function openRetention({
  bucket,
  config,
  log,
  subjectKeys,
  tree,
}: Parts): Promise<OpenRetention | undefined> {
  const { AUDIT_RETENTION_DATABASE_URL: url, REPLICA: replica } = config;
  if (url === undefined) return undefined;
  const { verifiers: keys } = await loadLogKeys(config.AUDIT_KEY_FILE, config.AUDIT_ORIGIN);
  const connection = {
    applicationName: `muniment-${replica}-retention`,
    poolMax: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: () => {},
  };
  const { db } = createDatabase<Tables>({ url: config.DATABASE_URL, ...connection });
  const { db: retentionDb } = createDatabase<unknown>({ url, ...connection });
  return {
    options: {
      db,
      retentionDb,
      bucket,
      tree,
      keys,
      replica,
      log,
      months: config.AUDIT_RETENTION_MONTHS,
      recordEvent: createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys }),
    },
    close: async () => {
      await Promise.all([db.destroy(), retentionDb.destroy()]);
    },
  };
}
