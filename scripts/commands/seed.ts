/**
 * `make seed USERS=5000 SEED=1` and `make seed-down`: demo data of a running local fleet, by every
 * seeder of scripts/seeds. `make seed-create NAME=seed-name` writes a new one. Exits 1 on failure.
 */
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { withSeedContext, type Seeder } from '../seeding/seed-context.ts';
import { requireFleet } from './fleet-facts.ts';
import { parseName, writeNumberedFile } from './numbered-file.ts';

const SEEDS = join(import.meta.dirname, '../seeds');
const DEFAULT_USERS = 50;
const MAX_USERS = 1_000_000;
const TEMPLATE = `import type { SeedContext } from '../seeding/seed-context.ts';

/** Makes what is missing, so that it may run again at any time. */
export async function up({ report }: SeedContext): Promise<void> {
  report('nothing to make yet');
}

export async function down({ report }: SeedContext): Promise<void> {
  report('nothing to remove yet');
}
`;

function readInteger(name: string, fallback: number): number {
  const text = process.env[name] || String(fallback);
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > MAX_USERS)
    throw new Error(`${name}=${text} is invalid. Set a whole number from 0 to ${MAX_USERS}.`);
  return value;
}

async function readSeeders(): Promise<{ name: string; seeder: Seeder }[]> {
  const files = (await readdir(SEEDS)).filter((file) => /^\d{4}_[a-z0-9_]+\.ts$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => ({
      name: file.slice(0, -3),
      seeder: (await import(pathToFileURL(join(SEEDS, file)).href)) as Seeder,
    })),
  );
}

async function create(name: string | undefined): Promise<void> {
  const file = parseName(name, 'make seed-create NAME=seed-name');
  const path = await writeNumberedFile(SEEDS, file, TEMPLATE);
  console.log(`wrote ${relative(process.cwd(), path)}`);
}

async function runSeeders(direction: 'up' | 'down'): Promise<void> {
  const fleet = await requireFleet(process.env);
  const settings = { users: readInteger('USERS', DEFAULT_USERS), seed: readInteger('SEED', 1) };
  const seeders = await readSeeders();
  await withSeedContext(fleet, settings, async (context) => {
    for (const { name, seeder } of direction === 'up' ? seeders : seeders.toReversed()) {
      console.log(`${name} ${direction}`);
      await seeder[direction](context);
    }
  });
}

async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: 'string' } },
  });
  const command = positionals.join(' ');
  if (command === 'create') return create(values.name);
  if (command === 'up' || command === 'down') return runSeeders(command);
  throw new Error(`There is no command ${command}: create, up, down.`);
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error(`seed failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
