/**
 * `make migration-create NAME=create-table-name [SET=user]`, `migration-up`, `migration-down` and
 * `migrate-status`; seed 003's npm scripts are the same. Exits 1 on failure.
 */
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { isDatabaseUnavailable } from '@muniment/database';
import { listMigrations, migrateToLatest, revertLast } from '@muniment/database/migrate';
import { migrationSets } from '../migrations.ts';
import { findFleet, migratorUrl } from './fleet-facts.ts';
import { parseName, writeNumberedFile } from './numbered-file.ts';

const DEFAULT_SET = 'user';
const TEMPLATE = `import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql\`\`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql\`\`.execute(db);
}
`;

async function create(name: string | undefined, setName = DEFAULT_SET): Promise<string> {
  const set = migrationSets.find((one) => one.name === setName);
  if (!set) {
    const names = migrationSets.map((one) => one.name).join(', ');
    throw new Error(`There is no set ${setName}. The sets are ${names}.`);
  }
  const file = parseName(name, 'make migration-create NAME=create-table-name');
  const path = await writeNumberedFile(set.folder, file, TEMPLATE);
  return `wrote ${relative(process.cwd(), path)}; CONTRIBUTING.md says what a migration may do`;
}

async function up(): Promise<string> {
  const applied = await migrateToLatest(await migratorUrl(process.env), migrationSets);
  return applied.length === 0 ? 'schema is up to date' : `applied ${applied.join(', ')}`;
}

/** @throws outside development: reverting destroys data */
async function requireDevelopment(): Promise<void> {
  const isLocal = !process.env.DATABASE_ADMIN_URL;
  const isDevelopment = isLocal && (await findFleet(process.env))?.development === true;
  if (isDevelopment || process.env.MIGRATION_DOWN === 'on') return;
  throw new Error(
    'Reverting destroys data, so it is for development only: it works on a fleet of make dev, ' +
      'and elsewhere with MIGRATION_DOWN=on. Nothing is reverted.',
  );
}

async function down(): Promise<string> {
  await requireDevelopment();
  const reverted = await revertLast(await migratorUrl(process.env), migrationSets);
  return reverted === undefined ? 'there is nothing to revert' : `reverted ${reverted}`;
}

async function status(): Promise<string> {
  const states = await listMigrations(await migratorUrl(process.env), migrationSets);
  const width = Math.max(...states.map(({ name }) => name.length));
  const lines = states.map(({ name, appliedAt, forwardOnly, unknown }) => {
    const state = appliedAt ? `applied ${appliedAt.toISOString()}` : 'pending';
    const remarks = [
      ...(unknown ? ['not in this checkout'] : []),
      ...(forwardOnly === undefined ? [] : [`forward-only: ${forwardOnly}`]),
    ];
    return [name.padEnd(width), state, ...remarks].join('  ');
  });
  const pending = states.filter(({ appliedAt }) => !appliedAt).length;
  return [...lines, `${states.length} migrations, ${pending} pending`].join('\n');
}

function run(args: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: 'string' }, set: { type: 'string' } },
  });
  switch (positionals.join(' ')) {
    case 'create':
      return create(values.name, values.set);
    case 'up':
      return up();
    case 'down':
      return down();
    case 'status':
      return status();
    default:
      throw new Error(`There is no command ${positionals.join(' ')}: create, up, down, status.`);
  }
}

try {
  console.log(await run(process.argv.slice(2)));
} catch (error) {
  const hint = isDatabaseUnavailable(error) ? ' Is the fleet up? make status says so.' : '';
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  const message = error instanceof Error ? error.message : String(error);
  console.error(`migration failed: ${[message, cause].filter(Boolean).join(' ')}${hint}`);
  process.exitCode = 1;
}
