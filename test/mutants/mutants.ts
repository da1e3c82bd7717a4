import { ACCOUNT_MUTANTS } from './account-mutants.ts';
import { CLIENT_MUTANTS } from './client-mutants.ts';
import { FEED_MUTANTS } from './feed-mutants.ts';
import { FILE_MUTANTS } from './file-mutants.ts';
import { GATEWAY_MUTANTS } from './gateway-mutants.ts';
import { IDEMPOTENCY_MUTANTS } from './idempotency-mutants.ts';
import { INGEST_MUTANTS } from './ingest-mutants.ts';
import { LIMIT_MUTANTS } from './limit-mutants.ts';
import { MANNERS_MUTANTS } from './manners-mutants.ts';
import type { Mutant } from './mutant.ts';
import { OPERATIONS_MUTANTS } from './operations-mutants.ts';
import { READING_MUTANTS } from './reading-mutants.ts';
import { REFRESH_MUTANTS } from './refresh-mutants.ts';
import { SEALER_MUTANTS } from './sealer-mutants.ts';
import { STOP_MUTANTS } from './stop-mutants.ts';
import { TRAIL_MUTANTS } from './trail-mutants.ts';
import { TRANSACTION_MUTANTS } from './transaction-mutants.ts';
import { WEBHOOK_MUTANTS } from './webhook-mutants.ts';

/** By room of the code. */
export const MUTANTS: Record<string, Mutant[]> = {
  account: ACCOUNT_MUTANTS,
  client: CLIENT_MUTANTS,
  feed: FEED_MUTANTS,
  files: FILE_MUTANTS,
  gateway: GATEWAY_MUTANTS,
  idempotency: IDEMPOTENCY_MUTANTS,
  ingest: INGEST_MUTANTS,
  limits: LIMIT_MUTANTS,
  manners: MANNERS_MUTANTS,
  operations: OPERATIONS_MUTANTS,
  reading: READING_MUTANTS,
  refresh: REFRESH_MUTANTS,
  sealer: SEALER_MUTANTS,
  stop: STOP_MUTANTS,
  trail: TRAIL_MUTANTS,
  transactions: TRANSACTION_MUTANTS,
  webhooks: WEBHOOK_MUTANTS,
};
