/**
 * Runs tap over the given files (default: all) on one PostgreSQL server.
 * Each test database is cloned from a migrated template. The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { glob, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureNginx, startPostgres } from '@muniment/cluster';
import { migrateToLatest } from '@muniment/database/migrate';
import { ensureRolesAndDatabase, ROLES, type Role } from '@muniment/database/roles';
import { migrationSets } from './migrations.ts';
import { summarizeTap } from './tap-summary.ts';

const TEMPLATE = 'muniment_template';
/** An option of tap's own command. */
const COVERAGE = '--no-disable-coverage';
const MEMORY_FOLDER = '/dev/shm';
const MIN_FREE_MEMORY = 4 * 1024 ** 3;

/** Shared by all runs: every test file and replica loads the same few hundred modules. */
const COMPILE_CACHE = join(import.meta.dirname, '../.tools/compile-cache');

interface TapRun {
  code: number;
  passed: number;
  failed: number;
}

/** In memory, cloning the template takes 17 ms; on ext4 it took 190 ms. */
async function temporaryParent(): Promise<string> {
  const space = await statfs(MEMORY_FOLDER).catch(() => undefined);
  return space && space.bavail * space.bsize >= MIN_FREE_MEMORY ? MEMORY_FOLDER : tmpdir();
}

/** Stops the fleet that end-to-end tests share, and what an interrupted test has left. */
async function stopFleets(folder: string): Promise<void> {
  const stopping: Promise<void>[] = [];
  // A test may put its fleet into a folder of its own.
  for await (const state of glob(['*/state.json', '*/*/state.json'], { cwd: folder }))
    stopping.push(stopFleet(join(folder, dirname(state))));
  await Promise.all(stopping);
}

async function stopFleet(dataDir: string): Promise<void> {
  const script = join(import.meta.dirname, '../packages/cluster/src/down.ts');
  const down = spawn(process.execPath, [script], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DATA: dataDir },
  });
  await once(down, 'exit');
}

async function runTap(args: string[], env: NodeJS.ProcessEnv): Promise<TapRun> {
  const program = args.includes(COVERAGE)
    ? 'node_modules/tap/dist/esm/run.mjs'
    : 'scripts/run-test-files.ts';
  const tap = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    // A process group, so that a signal reaches the test files too.
    detached: true,
  });
  const exit = new Promise<number>((resolve) => tap.on('exit', (code) => resolve(code ?? 1)));
  // Left alone, tap would go on with its test files, for as long as these take.
  const stop = (): void => {
    if (tap.pid !== undefined) process.kill(-tap.pid, 'SIGKILL');
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const summary = summarizeTap();
  for await (const line of createInterface(tap.stdout))
    for (const text of summary.line(line)) console.log(text);
  const code = await exit;
  process.off('SIGINT', stop).off('SIGTERM', stop);
  for (const text of summary.report()) console.log(text);
  return { code, ...summary.counts() };
}

// Before all tests: two files that both miss nginx would both call apt-get.
await ensureNginx((line) => console.log(line));
const folder = await mkdtemp(join(await temporaryParent(), 'muniment-test-'));
const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
let run: TapRun = { code: 1, passed: 0, failed: 0 };
try {
  // No secrets: this server trusts the loopback and lives as long as the run.
  const passwords = Object.fromEntries(ROLES.map((role) => [role, 'test'])) as Record<Role, string>;
  await ensureRolesAndDatabase(postgres.superuserUrl, TEMPLATE, passwords);
  const template = new URL(postgres.superuserUrl);
  template.username = 'migrator';
  template.pathname = `/${TEMPLATE}`;
  await migrateToLatest(template.href, migrationSets);
  run = await runTap(process.argv.slice(2), {
    ...process.env,
    TMPDIR: folder,
    TEST_FLEET_DIR: join(folder, 'fleet'),
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    TEST_POSTGRES_URL: postgres.superuserUrl,
    TEST_DATABASE_TEMPLATE: TEMPLATE,
  });
} finally {
  await stopFleets(folder);
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
// A run without a single assertion counts as failed.
const failed = run.code !== 0 || run.passed === 0 ? Math.max(1, run.failed) : run.failed;
console.log(`${run.passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
