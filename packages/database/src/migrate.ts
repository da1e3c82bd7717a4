import { sql } from 'kysely';
import { createDatabase } from './database.ts';
import {
  listSet,
  migratorOf,
  type MigrationOfSet,
  type MigrationSet,
  type MigrationState,
} from './migration-set.ts';
import { retryLocks, withMigrationsLock, type Connections } from './migrations-lock.ts';

/** Applies a set's new migrations, each in a transaction of its own unless it needs none. */
async function applySet({ bounded, patient }: Connections, set: MigrationSet): Promise<string[]> {
  const applied: string[] = [];
  for (;;) {
    const known = (await migratorOf(bounded, set).getMigrations()) as MigrationOfSet[];
    const next = known.find(({ executedAt }) => !executedAt);
    if (!next) return applied;
    const { error } =
      next.migration.transaction === false
        ? await migratorOf(patient, set).migrateUp({ disableTransactions: true })
        : await retryLocks(() => migratorOf(bounded, set).migrateUp());
    if (error) throw error;
    applied.push(`${set.name}/${next.name}`);
  }
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
  return withMigrationsLock(url, async (connections) => {
    await sql`create schema if not exists migrations`.execute(connections.bounded);
    const applied: string[] = [];
    for (const set of sets) applied.push(...(await applySet(connections, set)));
    return applied;
  });
}

/** Every migration of the checkout and of the database, in the order of the sets. */
export async function listMigrations(
  url: string,
  sets: readonly MigrationSet[],
): Promise<MigrationState[]> {
  const { db } = createDatabase<unknown>({ url, applicationName: 'muniment-migrate', poolMax: 1 });
  try {
    const states: MigrationState[] = [];
    for (const set of sets) states.push(...(await listSet(db, set)));
    return states;
  } finally {
    await db.destroy();
  }
}

/**
 * Reverts the migration that was applied last. It destroys data: for development only.
 * @returns its name, or undefined when there is none
 * @throws for one that this checkout does not have, or that cannot be reverted
 */
export async function revertLast(
  url: string,
  sets: readonly MigrationSet[],
): Promise<string | undefined> {
  return withMigrationsLock(url, async ({ bounded }) => {
    // Later sets use what earlier ones create, so of one moment the later set's comes first.
    let last: (MigrationState & { set: MigrationSet }) | undefined;
    for (const set of sets)
      for (const state of await listSet(bounded, set))
        if (state.appliedAt && state.appliedAt >= (last?.appliedAt ?? state.appliedAt))
          last = { ...state, set };
    if (!last) return undefined;
    if (last.unknown)
      throw new Error(
        `${last.name} is not in this checkout. Revert it with the version that has it.`,
      );
    if (last.forwardOnly !== undefined)
      throw new Error(`${last.name} is forward-only: ${last.forwardOnly}. Nothing is reverted.`);
    const { error } = await retryLocks(() => migratorOf(bounded, last.set).migrateDown());
    if (error) throw new Error(`${last.name} could not be reverted.`, { cause: error });
    return last.name;
  });
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

export { readMigrations, type SetMigration } from './migration-set.ts';
