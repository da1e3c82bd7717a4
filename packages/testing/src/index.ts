export { countRowsRead, type ExplainRow } from './database/count-rows-read.ts';
export {
  explainStatements,
  recordStatements,
  type ExplainedStatement,
} from './database/explain-statements.ts';
export { findEmptyCounters } from './empty-counters.ts';
export { findPromtool, type Promtool } from './find-promtool.ts';
export { outboxEvents, type OutboxEvent, type OutboxSchema } from './database/outbox-events.ts';
export { requestContext } from './request-context.ts';
export { requireStatedErrors } from './require-stated-errors.ts';
export { GATEWAY_HEADERS, SCRAPE, serviceEnvironment } from './service-environment.ts';
export {
  createTokenIssuer,
  signIn,
  type SignedInUser,
  type SignInOptions,
  type TokenIssuer,
} from './sign-in.ts';
export { rowsOf, type Rows } from './database/rows.ts';
export { temporaryFolder } from './temporary-folder.ts';
export type { Teardown } from './teardown.ts';
export {
  connectSuperuser,
  createTestDatabase,
  type TestDatabase,
} from './database/test-database.ts';
export { timeBound } from './time-bound.ts';
export { untilBlocked } from './database/until-blocked.ts';
export { until, type UntilOptions } from './until.ts';
