/**
 * `make bench`: measures on its own fleet, prints a table and writes `.bench/results.json`.
 * Ratios compare with a limit of the same run, because machines are noisy.
 * `directory-million` is left out of it, because filling takes minutes.
 * `GROWTH_EVENTS=10000000 node bench/main.ts growth` grows a log of its full size in 20 minutes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@muniment/cluster';
import { connectToFleet, type Fleet } from '../test/e2e/fleet.ts';
import { measureDirectory } from './directory/directory.ts';
import { measureDirectoryMillion } from './directory/directory-million.ts';
import { measureGrowth, type Restart } from './growth/growth.ts';
import { measureRest } from './rest/rest.ts';
import { measureApiTokens } from './access/api-tokens.ts';
import { measureImport } from './requests/import.ts';
import { measureLists } from './requests/lists.ts';
import { measureLogins } from './requests/logins.ts';
import { measureProfile } from './requests/profile.ts';
import { measureRefreshes } from './requests/refreshes.ts';
import { report, type Measurement } from './report.ts';
import { measureRevocation } from './access/revocation.ts';
import { measureTrail } from './trail/trail.ts';
import { measureSealing } from './trail/sealing.ts';
import { measureUploads } from './requests/uploads.ts';
import { measureVerifier } from './trail/verifier.ts';

const sections: Record<string, (fleet: Fleet, restart: Restart) => Promise<Measurement[]>> = {
  // The first, because it measures the memory of fresh replicas.
  uploads: measureUploads,
  profile: measureProfile,
  logins: measureLogins,
  refreshes: measureRefreshes,
  revocation: measureRevocation,
  tokens: measureApiTokens,
  lists: measureLists,
  import: measureImport,
  trail: measureTrail,
  sealing: measureSealing,
  verifier: measureVerifier,
  rest: measureRest,
  // Behind it, since its users stay.
  directory: measureDirectory,
  growth: measureGrowth,
  'directory-million': measureDirectoryMillion,
};
const ONLY_WHEN_NAMED = new Set(['directory-million']);

const root = join(import.meta.dirname, '..');
const dataDir = await mkdtemp(join(tmpdir(), 'muniment-bench-'));
const environment = {
  ...process.env,
  DATA: dataDir,
  PORT: String(await freePort()),
  TLS_PORT: String(await freePort()),
  REPLICAS: '2',
  LIMITS: 'off',
};
const cluster = (script: string, settings: Record<string, string> = {}): void => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'packages/cluster/src', script)],
    {
      cwd: root,
      env: { ...environment, ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
};
const restart: Restart = (settings) => {
  cluster('down.ts');
  cluster('up.ts', settings);
  return connectToFleet(dataDir);
};

async function end(): Promise<void> {
  cluster('down.ts');
  await rm(dataDir, { recursive: true, force: true });
}

// Started detached, so the fleet would outlive an interrupted run.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().finally(() => process.exit(130)));

const wanted = process.argv.slice(2);
cluster('up.ts');
try {
  const fleet = await connectToFleet(dataDir);
  const measurements: Measurement[] = [];
  for (const [name, measure] of Object.entries(sections)) {
    if (wanted.length === 0 ? ONLY_WHEN_NAMED.has(name) : !wanted.includes(name)) continue;
    console.error(`measuring ${name} ...`);
    measurements.push(...(await measure(fleet, restart)));
  }
  await report(measurements);
} finally {
  await end();
}
