export { repeat, type BackgroundLoop } from './background.ts';
export { loadConfig, serverSettings, splitList, type ServerConfig } from './config.ts';
export { createServer, type App, type Server, type ServerOptions } from './create-server.ts';
export { createErasureLoop, type ErasurePart } from './erasures.ts';
export type { DependencyCheck, Health } from './health.ts';
export type { IdempotentRequest } from './idempotency.ts';
export { startService } from './start-service.ts';
export { afterCommit, retryConflicts } from './transactions.ts';
export type { InTransaction, RecordFor, RequestContext, RequestEvent } from './transactions.ts';
