export {
  createDatabase,
  isDatabaseUnavailable,
  isTransactionConflict,
  violatedUniqueConstraint,
  type Database,
  type DatabaseOptions,
} from './database.ts';
export { acquireLease, holdLease, releaseLease, type Lease } from './lease.ts';
export { databaseMigrations, verifyMigrated, type MigrationSet } from './migrate.ts';
