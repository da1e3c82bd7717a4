import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration, type MigrationInfo } from 'kysely/migration';

/**
 * A folder of numbered migrations with its own history: each package and service versions its own
 * tables.
 */
export interface MigrationSet {
  name: string;
  folder: string;
}

/** The schemas of all services, and the tables that each of them has. */
export const databaseMigrations: MigrationSet = {
  name: 'database',
  folder: join(import.meta.dirname, '../migrations'),
};

/** What a file of a set exports. */
export interface SetMigration extends Migration {
  /** For CREATE INDEX CONCURRENTLY, which no transaction can hold. */
  transaction?: false;
  /** Why there is no `down`. */
  forwardOnly?: string;
  /** Since when no running version uses what this removes. */
  contract?: string;
}

export type MigrationOfSet = MigrationInfo & { migration: SetMigration };

/** Reads a folder's migrations in their order. */
export async function readMigrations(folder: string): Promise<Record<string, SetMigration>> {
  const files = (await readdir(folder))
    .filter((file) => /^\d{4}_[a-z0-9_]+\.ts$/.test(file))
    .sort();
  const migrations: Record<string, SetMigration> = {};
  for (const file of files)
    migrations[file.slice(0, -3)] = (await import(
      pathToFileURL(join(folder, file)).href
    )) as SetMigration;
  return migrations;
}

export function migratorOf(db: Kysely<unknown>, set: MigrationSet): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: () => readMigrations(set.folder) },
    migrationTableSchema: 'migrations',
    migrationTableName: set.name,
    migrationLockTableName: `${set.name}_lock`,
  });
}

export interface MigrationState {
  /** `set/name` */
  name: string;
  appliedAt?: Date;
  /** Why it cannot be reverted. */
  forwardOnly?: string;
  /** The database has it, this checkout does not: a newer version migrated. */
  unknown?: true;
}

/** A set's migrations, of the checkout first. A missing table has none applied. */
export async function listSet(db: Kysely<unknown>, set: MigrationSet): Promise<MigrationState[]> {
  const migrations = await readMigrations(set.folder);
  const applied = await readApplied(db, set);
  const own = Object.entries(migrations).map(([name, migration]): MigrationState => {
    const appliedAt = applied.get(name);
    const reason = whyForwardOnly(migration);
    return {
      name: `${set.name}/${name}`,
      ...(appliedAt && { appliedAt }),
      ...(reason !== undefined && { forwardOnly: reason }),
    };
  });
  const foreign = [...applied]
    .filter(([name]) => !(name in migrations))
    .map(([name, appliedAt]) => ({
      name: `${set.name}/${name}`,
      appliedAt,
      unknown: true as const,
    }));
  return [...own, ...foreign];
}

async function readApplied(db: Kysely<unknown>, set: MigrationSet): Promise<Map<string, Date>> {
  const table = `migrations.${set.name}`;
  const { rows: found } = await sql<{ exists: boolean }>`
    select to_regclass(${table}) is not null as exists`.execute(db);
  if (!found[0]?.exists) return new Map();
  const { rows } = await sql<{ name: string; timestamp: string }>`
    select name, timestamp from ${sql.table(table)} order by name`.execute(db);
  return new Map(rows.map(({ name, timestamp }) => [name, new Date(timestamp)]));
}

const whyForwardOnly = ({ down, forwardOnly }: SetMigration): string | undefined =>
  down ? undefined : (forwardOnly ?? 'it has no down and gives no reason');

/**
 * Refuses to start a service on a schema older than its code; services never migrate. A newer
 * database is accepted, so that a rolling update can migrate first.
 * @throws when the database lacks a migration of this checkout
 */
export async function verifyMigrated<DB>(
  db: Kysely<DB>,
  sets: readonly MigrationSet[],
): Promise<void> {
  for (const set of sets) {
    const wanted = Object.keys(await readMigrations(set.folder));
    const { rows } = await sql<{ name: string }>`
      select name from ${sql.table(`migrations.${set.name}`)}`.execute(db);
    const missing = wanted.filter((name) => !rows.some((row) => row.name === name));
    if (missing.length > 0)
      throw new Error(
        `The database lacks the migrations ${set.name}/${missing.join(', ')}. ` +
          'Run scripts/migrate.ts first.',
      );
  }
}
