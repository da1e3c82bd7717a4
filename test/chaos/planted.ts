/**
 * `make chaos-planted [BUG=name] [MINUTES=1.5]`: proves that the chaos run finds bugs.
 * Each planted bug runs a short chaos in its own copy, and must cause the expected violation.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyCheckout, mutate } from './plant.ts';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts';
import type { ChaosResult } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, '.chaos/planted');
/** Minutes of load. A rare bug takes longer on a slow machine. */
const MINUTES = process.env['MINUTES'] || '0.6';
const SEED = '1';

/** Runs chaos in a copy. @returns the violations by kind; null when the run itself failed */
async function runChaosIn(
  folder: string,
  { name, faults }: PlantedBug,
): Promise<ChaosResult['found'] | null> {
  const out = join(FOLDER, name);
  rmSync(out, { recursive: true, force: true });
  const child = spawn(process.execPath, [join(folder, 'test/chaos/main.ts')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, MINUTES, SEED, FAULTS: faults.join(','), CHAOS_FOLDER: out },
  });
  const stop = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', stop).once('SIGTERM', stop);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  process.off('SIGINT', stop).off('SIGTERM', stop);
  const result = join(out, `${SEED}.json`);
  if ((code === 0 || code === 1) && existsSync(result))
    return (JSON.parse(readFileSync(result, 'utf8')) as ChaosResult).found;
  console.log(output);
  return null;
}

async function isCaught(bug: PlantedBug): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-planted-'));
  try {
    copyCheckout(ROOT, folder);
    for (const mutation of bug.mutations) mutate(folder, mutation);
    console.log(`${bug.name}: ${bug.story}`);
    const found = await runChaosIn(folder, bug);
    const violations = Object.entries(found ?? {})
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ');
    const caught = found !== null && bug.expects.some((kind) => found[kind] > 0);
    const outcome = violations || (found ? 'no violation' : 'the run itself failed');
    console.log(
      `  ${caught ? 'caught' : 'NOT CAUGHT'}: ${outcome}; expected ${bug.expects.join(' or ')}`,
    );
    return caught;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const chosen = PLANTED_BUGS.filter(
  ({ name }) => !process.env['BUG'] || process.env['BUG'] === name,
);
if (chosen.length === 0)
  throw new Error(
    `BUG=${process.env['BUG']}: there are ${PLANTED_BUGS.map(({ name }) => name).join(', ')}`,
  );
let missed = 0;
for (const bug of chosen) if (!(await isCaught(bug))) missed += 1;
console.log(`${chosen.length - missed} of ${chosen.length} planted bugs caught`);
process.exitCode = missed === 0 ? 0 : 1;
