import { join } from 'node:path';
import { databaseMigrations, type MigrationSet } from '@muniment/database';

const root = join(import.meta.dirname, '..');

/** Every migration of the product. Later sets use what earlier ones create. */
export const migrationSets: readonly MigrationSet[] = [
  databaseMigrations,
  { name: 'audit_events', folder: join(root, 'packages/audit-events/migrations') },
  { name: 'user', folder: join(root, 'services/user/migrations') },
  { name: 'file', folder: join(root, 'services/file/migrations') },
  { name: 'audit', folder: join(root, 'services/audit/migrations') },
];
