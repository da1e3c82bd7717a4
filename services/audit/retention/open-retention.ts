import { createEventRecorder } from '@muniment/audit-events';
import { loadLogKeys } from '@muniment/audit-key';
import { createDatabase } from '@muniment/database';
import type { AuditContext } from '../context.ts';
import type { Tables } from '../tables.ts';
import type { RetentionOptions } from './retention.ts';

/** One statement counts or reads a whole month. */
const STATEMENT_TIMEOUT_MS = 10 * 60_000;

export interface OpenRetention {
  options: RetentionOptions;
  close(): Promise<void>;
}

type Parts = Pick<AuditContext, 'bucket' | 'config' | 'http' | 'crypto' | 'tree'>;

/**
 * Opens retention's own connections, since its statements exceed a request's time-out.
 * @returns undefined without AUDIT_RETENTION_DATABASE_URL
 */
export async function openRetention({
  bucket,
  config,
  http: { log },
  crypto: { subjectKeys },
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
