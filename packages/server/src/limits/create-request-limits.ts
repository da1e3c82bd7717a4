import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import type { Registry } from 'prom-client';
import { isDatabaseUnavailable } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { App } from '../http/create-app.ts';
import type { ServerConfig } from '../lifecycle/config.ts';
import type { Jobs } from '../lifecycle/jobs.ts';
import { createLimits, deleteFullLimits, type Counted, type Limits } from './limits.ts';
import { createLocalLimits } from './local-limits.ts';
import { limitRequests } from './request-limit.ts';
import { limitRules } from './rules.ts';

/** Limits that all replicas share. */
export interface RequestLimits extends Limits {
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
}

/** Limits each caller's requests, and gives the limits to features. */
export async function createRequestLimits<DB>(
  app: App,
  { db, config, masterKey, metrics, jobs, log }: RequestLimitsParts<DB>,
): Promise<RequestLimits> {
  const limits = await createLimits(db, {
    masterKey,
    rules: limitRules(config.LIMIT_RULES),
    enabled: config.LIMITS === 'on',
    metrics,
    onRefundLost: (error) => log.warn({ err: error }, 'attempts could not be refunded'),
  });
  const local = createLocalLimits(db, limits, isDatabaseUnavailable);
  await limitRequests(app, limits, local);
  jobs.add(
    deleteFullLimits(db, (error) =>
      log.warn({ err: error }, 'limits could not be swept; it is tried again'),
    ),
  );
  return { ...limits, consumeLocal: local.consume };
}
