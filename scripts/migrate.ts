/**
 * Creates missing roles and the database, and migrates the schema. Exits 1 on failure.
 * Environment: DATABASE_ADMIN_URL (a superuser's) and one password per role.
 */
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from './migrations.ts';

const DATABASE = 'muniment';

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set.`);
  return value;
}

async function migrate(): Promise<void> {
  const adminUrl = required('DATABASE_ADMIN_URL');
  const passwords = Object.fromEntries(
    ROLES.map((role) => [role, required(`${role.toUpperCase()}_PASSWORD`)]),
  ) as Record<Role, string>;
  await ensureRolesAndDatabase(adminUrl, DATABASE, passwords);
  const url = new URL(adminUrl);
  url.username = 'migrator';
  url.password = passwords.migrator;
  url.pathname = `/${DATABASE}`;
  const applied = await migrateToLatest(url.href, migrationSets);
  console.log(applied.length === 0 ? 'schema is up to date' : `applied ${applied.join(', ')}`);
}

try {
  await migrate();
} catch (error) {
  console.error(`migration failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
