/**
 * Runs tap over the files given (default: all) against one PostgreSQL server that it starts, with a migrated template database
 * that each test file clones. Prints `N passed, N failed` last and exits non-zero on any failure.
 *
 * With RERUN=1 a few files that failed are run once more, each alone: many tests measure time or kill processes, and two files share two cores. One that
 * passes then is named as unsteady and counts as passed; one that fails again has failed.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureNginx, startPostgres } from '@muniment/cluster';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from './migrations.ts';
import { summarizeTap } from './tap-summary.ts';

const TEMPLATE = 'muniment_template';

interface TapRun {
  code: number;
  passed: number;
  failed: number;
  failedFiles: readonly string[];
}

/** Kept from run to run: each test file and each replica of its fleet would else compile the same few hundred modules. */
const COMPILE_CACHE = join(import.meta.dirname, '../.tools/compile-cache');

/** More than this is no unsteadiness. */
const MAX_RERUNS = 4;

async function runTap(args: string[], env: NodeJS.ProcessEnv): Promise<TapRun> {
  const tap = spawn(process.execPath, ['node_modules/tap/dist/esm/run.mjs', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  const exit = new Promise<number>((resolve) => tap.on('exit', (code) => resolve(code ?? 1)));
  const summary = summarizeTap();
  for await (const line of createInterface(tap.stdout))
    for (const text of summary.line(line)) console.log(text);
  return { code: await exit, ...summary.counts(), failedFiles: summary.failedFiles() };
}

async function runSteadily(args: string[], env: NodeJS.ProcessEnv): Promise<TapRun> {
  const run = await runTap(args, env);
  const again = run.failedFiles.filter((file) => file.endsWith('.test.ts'));
  if (
    process.env['RERUN'] !== '1' ||
    again.length === 0 ||
    again.length > MAX_RERUNS ||
    again.length !== run.failedFiles.length
  )
    return run;
  console.log(`once more, each alone: ${again.join(', ')}`);
  const alone = await runTap(['--jobs=1', ...again], env);
  const unsteady = again.filter((file) => !alone.failedFiles.includes(file));
  if (unsteady.length > 0)
    console.log(`UNSTEADY, failed beside others and passed alone: ${unsteady.join(', ')}`);
  return { ...alone, passed: run.passed };
}

// Once and before all: two test files that both found it missing would both call apt-get.
await ensureNginx((line) => console.log(line));
const folder = await mkdtemp(join(tmpdir(), 'muniment-test-'));
const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
let run: TapRun = { code: 1, passed: 0, failed: 0, failedFiles: [] };
try {
  // No secrets: this server trusts the loopback and lives as long as the run.
  const passwords = Object.fromEntries(ROLES.map((role) => [role, 'test'])) as Record<Role, string>;
  await ensureRolesAndDatabase(postgres.superuserUrl, TEMPLATE, passwords);
  const template = new URL(postgres.superuserUrl);
  template.username = 'migrator';
  template.pathname = `/${TEMPLATE}`;
  await migrateToLatest(template.href, migrationSets);
  run = await runSteadily(process.argv.slice(2), {
    ...process.env,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    TEST_POSTGRES_URL: postgres.superuserUrl,
    TEST_DATABASE_TEMPLATE: TEMPLATE,
  });
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
// A run that checked nothing has shown nothing.
const failed = run.code !== 0 || run.passed === 0 ? Math.max(1, run.failed) : run.failed;
console.log(`${run.passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
