/**
 * `node scripts/check-migrations.ts`, part of `make lint`: runs every migration on a database of
 * its own and prints what would stop the running services. CONTRIBUTING.md states the rules.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@muniment/cluster';
import type { MigrationSet } from '@muniment/database';
import { readMigrations, type SetMigration } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import {
  findBreaks,
  readDatabaseObjects,
  type DatabaseObjects,
} from './checks/database-objects.ts';
import { KNOWN_MIGRATIONS } from './checks/known-migrations.ts';
import {
  observeMigration,
  recordStatement,
  type Observation,
  type Recorder,
} from './checks/run-migration.ts';
import { migrationSets } from './migrations.ts';

/** Locks under which others cannot write, or not even read. */
const BLOCKING = new Set([
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
]);
const LONG_WORK: readonly { message: RegExp; what: string; instead: string }[] = [
  {
    message: /^building index "[^"]+" on table "([^"]+)"/,
    what: 'builds an index on',
    instead: 'use CREATE INDEX CONCURRENTLY in a migration with `export const transaction = false`',
  },
  {
    message: /^rewriting table "([^"]+)"/,
    what: 'rewrites',
    instead: 'add a new column without a volatile default, and fill it in parts',
  },
  {
    message: /^verifying table "([^"]+)"/,
    what: 'scans',
    instead: 'add the constraint NOT VALID, and VALIDATE it in the next migration',
  },
];
const FOREIGN_KEY = /^validating foreign key constraint "([^"]+)"/;
const CONCURRENTLY =
  /^\s*(create (unique )?index concurrently|drop index concurrently if exists)\s/i;

/** Names of tables that existed before and that the migration locked against writers. */
function findBlocked(before: DatabaseObjects, { locks }: Observation): string[] {
  return locks
    .filter(({ mode }) => BLOCKING.has(mode))
    .flatMap(({ table }) => before.tables.get(table) ?? []);
}

/** Work that grows with a table, done under a lock that stops its writers. */
function findLongWork(before: DatabaseObjects, seen: Observation): string[] {
  const blocked = findBlocked(before, seen);
  const named = (name: string): string[] => blocked.filter((table) => table.endsWith(`.${name}`));
  return seen.messages.flatMap((message) => {
    const key = FOREIGN_KEY.exec(message)?.[1];
    if (key !== undefined && blocked.length > 0)
      return (
        `checks all rows for the foreign key ${key}; ` +
        'add it NOT VALID, and VALIDATE it in the next migration'
      );
    return LONG_WORK.flatMap(({ message: pattern, what, instead }) =>
      named(pattern.exec(message)?.[1] ?? '').map(
        (table) => `${what} ${table} while its writers wait; ${instead}`,
      ),
    );
  });
}

/** Nothing rolls back what ran outside a transaction, so it must be repeatable. */
function findUnrepeatable({ statements }: Observation): string[] {
  return statements
    .filter((statement) => !CONCURRENTLY.test(statement))
    .map(
      (statement) =>
        `runs outside a transaction: ${statement.trim().slice(0, 60)}; only DROP INDEX ` +
        'CONCURRENTLY IF EXISTS and CREATE INDEX CONCURRENTLY may, the first before the second',
    );
}

function judge(
  migration: SetMigration,
  seen: Observation,
  { before, after }: { before: DatabaseObjects; after: DatabaseObjects },
): string[] {
  const broken = findBreaks(before, after).map(
    (what) =>
      `${what}, which services of the previous version may use; drop it in a later release, ` +
      "with `export const contract = 'since when nothing uses it'`",
  );
  const reverting =
    migration.down || migration.forwardOnly
      ? []
      : ["has no down; say why by `export const forwardOnly = '...'`"];
  return [
    ...(migration.transaction === false ? findUnrepeatable(seen) : findLongWork(before, seen)),
    ...(migration.contract === undefined ? broken : []),
    ...reverting,
  ];
}

interface Checked {
  name: string;
  faults: string[];
}

async function checkSets(recorder: Recorder, sets: readonly MigrationSet[]): Promise<Checked[]> {
  const checked: Checked[] = [];
  let before = await readDatabaseObjects(recorder.db);
  for (const set of sets)
    for (const [name, migration] of Object.entries(await readMigrations(set.folder))) {
      const seen = await observeMigration(recorder, migration);
      const after = await readDatabaseObjects(recorder.db);
      const faults = [...new Set(judge(migration, seen, { before, after }))];
      checked.push({ name: `${set.name}/${name}`, faults });
      before = after;
    }
  return checked;
}

/** @param url of an empty database, as its owner `migrator` */
async function openRecorder(url: string): Promise<Recorder> {
  const [messages, statements]: [string[], string[]] = [[], []];
  const options = '-c client_min_messages=debug1';
  const pool = new pg.Pool({ connectionString: url, max: 1, options });
  pool.on('connect', (client) => {
    client.on('notice', ({ message }) => messages.push(message ?? ''));
    // The database may be dropped while the last connection says good-bye.
    client.on('error', () => {});
  });
  pool.on('error', () => {});
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => recordStatement(statements, query),
  });
  await sql`create schema if not exists migrations`.execute(db);
  return { db, messages, statements };
}

/**
 * Runs the migrations of all sets on an empty database and judges each.
 * @returns each violation as `set/name: what is wrong and what to do`
 */
export async function checkMigrations(
  url: string,
  sets: readonly MigrationSet[],
  known: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const recorder = await openRecorder(url);
  try {
    const checked = await checkSets(recorder, sets);
    const stale = Object.keys(known).filter(
      (name) => !checked.some((one) => one.name === name && one.faults.length > 0),
    );
    return [
      ...checked
        .filter(({ name }) => !(name in known))
        .flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`)),
      ...stale.map((name) => `${name}: is listed as known and breaks no rule; remove it there`),
    ];
  } finally {
    await recorder.db.destroy();
  }
}

async function checkAll(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-lint-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
  try {
    const passwords = ROLES.map((role) => [role, 'lint']);
    const database = 'muniment_lint';
    await ensureRolesAndDatabase(
      postgres.superuserUrl,
      database,
      Object.fromEntries(passwords) as Record<Role, string>,
    );
    const url = new URL(postgres.superuserUrl);
    Object.assign(url, { username: 'migrator', pathname: `/${database}` });
    return await checkMigrations(url.href, migrationSets, KNOWN_MIGRATIONS);
  } finally {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const violations = await checkAll();
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
