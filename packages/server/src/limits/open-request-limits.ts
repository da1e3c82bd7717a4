import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import type { Registry } from 'prom-client';
import { isDatabaseUnavailable } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { RecordRequestEvent } from '../audit/transactions.ts';
import type { App } from '../http/create-app.ts';
import type { ServerConfig } from '../lifecycle/config.ts';
import type { Jobs } from '../lifecycle/jobs.ts';
import { createLimits, deleteFullLimits, type Counted, type Limits } from './limits.ts';
import { createLocalLimits } from './local-limits.ts';
import { createRecordDenial, type RecordDenial } from './record-denial.ts';
import { createRequestCount, stateLimits, type RequestCount } from './request-limit.ts';
import { limitRules } from './rules.ts';

/** Limits that all replicas share. */
export interface RequestLimits extends Limits, RequestCount {
  /** Counts what happens all the time, mostly without a round trip. @throws RateLimited (429) */
  consumeLocal(counted: Counted): Promise<void>;
}

interface RequestLimitsParts<DB> {
  db: Kysely<DB>;
  config: ServerConfig;
  masterKey: MasterKey;
  metrics: Registry;
  jobs: Jobs;
  log: FastifyBaseLogger;
  record: RecordRequestEvent;
}

/** Opens the limits, which authentication counts each request by, and features their attempts. */
export async function openRequestLimits<DB>(
  app: App,
  { db, config, masterKey, metrics, jobs, log, record }: RequestLimitsParts<DB>,
): Promise<{ limits: RequestLimits; recordDenial: RecordDenial }> {
  const limits = await createLimits(db, {
    masterKey,
    rules: limitRules(config.LIMIT_RULES),
    enabled: config.LIMITS === 'on',
    metrics,
    onRefundLost: (error) => log.warn({ err: error }, 'attempts could not be refunded'),
  });
  const local = createLocalLimits(db, limits, isDatabaseUnavailable);
  if (limits.enabled) stateLimits(app, local);
  jobs.add(
    deleteFullLimits(db, (error) =>
      log.warn({ err: error }, 'limits could not be swept; it is tried again'),
    ),
  );
  const recordDenial = createRecordDenial(limits, record);
  const count = await createRequestCount(app, limits, { local, record });
  return { limits: { ...limits, ...count, consumeLocal: local.consume }, recordDenial };
}
