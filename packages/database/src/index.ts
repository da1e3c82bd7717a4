export {
  createDatabase,
  isDatabaseUnavailable,
  isTransactionConflict,
  refusedByTrigger,
  violatedUniqueConstraint,
  type Database,
  type DatabaseOptions,
} from './database.ts';
export { createGather, type GatherOptions } from './gather.ts';
export { uuidv7 } from './ids.ts';
export {
  acquireLease,
  createHolderId,
  lockLease,
  LeaseLost,
  releaseLease,
  requireLease,
  type Lease,
} from './lease.ts';
export { runWithLease, type HeldLease, type LeaseOptions } from './lease-holder.ts';
export {
  createLeasedLoop,
  type LeasedLoop,
  type LeasedLoopOptions,
  type LeasedLoopStatus,
} from './leased-loop.ts';
export { databaseMigrations, verifyMigrated, type MigrationSet } from './migration-set.ts';
export { PLANNED_WITH_VALUES } from './named-statements.ts';
export { ownedBy } from './owned-by.ts';
export {
  createWakeableLoop,
  type WakeableLoop,
  type WakeableLoopOptions,
} from './wakeable-loop.ts';
