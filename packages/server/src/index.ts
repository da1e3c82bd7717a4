export { parseStorableJson } from './http/body-parsing.ts';
export { repeat, type BackgroundLoop } from './lifecycle/background-loops.ts';
export {
  loadConfig,
  ownOrigins,
  serverSettings,
  splitList,
  type ServerConfig,
} from './lifecycle/config.ts';
export { createServer, type App, type Server, type ServerOptions } from './create-server.ts';
export { createErasureLoop, type ErasurePart } from './audit/erasures.ts';
export type { DependencyCheck, Health } from './lifecycle/health.ts';
export { deleteAnswersOfUser } from './idempotency/answers.ts';
export type { IdempotentRequest } from './idempotency/idempotency.ts';
export { clientNetwork } from './auth/caller.ts';
export type { Counted, Limits, Consumed } from './limits/limits.ts';
export { startService } from './lifecycle/start-service.ts';
export { afterCommit, retryConflicts } from './audit/transactions.ts';
export type {
  InTransaction,
  RecordFor,
  RequestContext,
  RequestEvent,
} from './audit/transactions.ts';
