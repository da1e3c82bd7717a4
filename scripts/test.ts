/**
 * Runs tap over the files given (default: all) against one PostgreSQL server that it starts, with a migrated template database
 * that each test file clones. Prints `N passed, N failed` last and exits non-zero on any failure.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@muniment/cluster';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from './migrations.ts';

const TEMPLATE = 'muniment_template';

async function runTap(args: string[], outputFile: string, env: NodeJS.ProcessEnv): Promise<number> {
  const tap = spawn(process.execPath, ['node_modules/tap/dist/esm/run.mjs', '--output-file', outputFile, ...args], { stdio: 'inherit', env });
  return new Promise((resolve) => tap.on('exit', (code) => resolve(code ?? 1)));
}

async function countResults(outputFile: string): Promise<{ passed: number; failed: number }> {
  const output = await readFile(outputFile, 'utf8').catch(() => '');
  const summary = output.match(/^# \{ total: .*\}$/gm)?.at(-1) ?? '';
  const count = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') };
}

const folder = await mkdtemp(join(tmpdir(), 'muniment-test-'));
const outputFile = join(folder, 'run.tap');
const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
let code = 1;
let results = { passed: 0, failed: 0 };
try {
  // No secrets: this server trusts the loopback and lives as long as the run.
  const passwords = Object.fromEntries(ROLES.map((role) => [role, 'test'])) as Record<Role, string>;
  await ensureRolesAndDatabase(postgres.superuserUrl, TEMPLATE, passwords);
  const template = new URL(postgres.superuserUrl);
  template.username = 'migrator';
  template.pathname = `/${TEMPLATE}`;
  await migrateToLatest(template.href, migrationSets);
  code = await runTap(process.argv.slice(2), outputFile, { ...process.env, TEST_POSTGRES_URL: postgres.superuserUrl, TEST_DATABASE_TEMPLATE: TEMPLATE });
  results = await countResults(outputFile);
  // A run that checked nothing has shown nothing.
  if (results.passed === 0) code ||= 1;
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${results.passed} passed, ${code === 0 ? results.failed : Math.max(1, results.failed)} failed`);
process.exitCode = code;
