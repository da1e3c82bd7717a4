import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import { createDatabase } from './database.ts';

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

async function readMigrations(folder: string): Promise<Record<string, Migration>> {
  const files = (await readdir(folder))
    .filter((file) => /^\d{4}_[a-z0-9_]+\.ts$/.test(file))
    .sort();
  const migrations: Record<string, Migration> = {};
  for (const file of files)
    migrations[file.slice(0, -3)] = (await import(
      pathToFileURL(join(folder, file)).href
    )) as Migration;
  return migrations;
}

function migratorOf(db: Kysely<unknown>, set: MigrationSet): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: () => readMigrations(set.folder) },
    migrationTableSchema: 'migrations',
    migrationTableName: set.name,
    migrationLockTableName: `${set.name}_lock`,
  });
}

/**
 * Applies every set's new migrations, in the order given, as the role `migrator`. Concurrent starts
 * wait on an advisory lock, and the second finds nothing to do.
 * @returns the names applied, as `set/name`
 * @throws the first failed migration's error; that one is rolled back, earlier ones stay
 */
export async function migrateToLatest(
  url: string,
  sets: readonly MigrationSet[],
): Promise<string[]> {
  const { db } = createDatabase<unknown>({
    url,
    applicationName: 'muniment-migrate',
    poolMax: 3,
    statementTimeoutMs: 15 * 60_000,
  });
  try {
    return await db.connection().execute(async (lock) => {
      await sql`select pg_advisory_lock(7305147)`.execute(lock);
      await sql`create schema if not exists migrations`.execute(lock);
      const applied: string[] = [];
      for (const set of sets) {
        const { error, results } = await migratorOf(db, set).migrateToLatest();
        if (error) throw error;
        for (const result of results ?? []) applied.push(`${set.name}/${result.migrationName}`);
      }
      return applied;
    });
  } finally {
    await db.destroy();
  }
}

/** Reverts every set, newest first. It destroys data: for development only. */
export async function migrateDown(url: string, sets: readonly MigrationSet[]): Promise<void> {
  const { db } = createDatabase<unknown>({ url, applicationName: 'muniment-migrate', poolMax: 2 });
  try {
    for (const set of sets.toReversed()) {
      const migrator = migratorOf(db, set);
      for (const applied of (await migrator.getMigrations()).filter(
        (migration) => migration.executedAt,
      )) {
        const { error } = await migrator.migrateDown();
        if (error)
          throw new Error(`The migration ${set.name}/${applied.name} could not be reverted.`, {
            cause: error,
          });
      }
    }
  } finally {
    await db.destroy();
  }
}

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
