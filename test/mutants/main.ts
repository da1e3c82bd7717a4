/**
 * `make mutants [ROOM=feed] [MUTANT=name]`: plants one-line bugs, one at a time, in a copy of the
 * checkout, and runs the tests that must fail. Prints what survived; exits 1 when anything did.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyCheckout, mutate } from '../chaos/plant.ts';
import { MUTANTS } from './mutants.ts';
import type { Mutant } from './mutant.ts';

const ROOT = join(import.meta.dirname, '../..');

interface Run {
  passed: boolean;
  output: string;
}

/** Runs test files in the copy. Stops with their first failure. */
async function runTests(copy: string, tests: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, ['scripts/test.ts', '--bail', ...tests], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  let output = '';
  const collect = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  process.off('SIGINT', stop).off('SIGTERM', stop);
  if (code === null) throw new Error('the tests were stopped');
  return { passed: code === 0, output };
}

/** Tests that fail without a bug would catch everything. */
async function requireGreen(copy: string, mutants: readonly Mutant[]): Promise<void> {
  const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
  console.log(`${tests.length} test files, without a mutant ...`);
  const { passed, output } = await runTests(copy, tests);
  if (passed) return;
  console.log(output);
  throw new Error('the tests must pass before a mutant is planted');
}

async function isCaught(copy: string, mutant: Mutant): Promise<boolean> {
  const beganAt = performance.now();
  mutate(copy, mutant);
  const { passed } = await runTests(copy, mutant.tests);
  cpSync(join(ROOT, mutant.file), join(copy, mutant.file));
  const seconds = ((performance.now() - beganAt) / 1_000).toFixed(0);
  console.log(`${passed ? 'SURVIVED' : 'caught  '} ${mutant.name} (${seconds} s)`);
  return !passed;
}

function chooseMutants(): Mutant[] {
  const { ROOM = '', MUTANT = '' } = process.env;
  const chosen = Object.entries(MUTANTS)
    .filter(([room]) => ROOM === '' || ROOM === room)
    .flatMap(([, mutants]) => mutants)
    .filter(({ name }) => MUTANT === '' || MUTANT === name);
  if (chosen.length > 0) return chosen;
  throw new Error(`there is no such mutant; the rooms are ${Object.keys(MUTANTS).join(', ')}`);
}

const mutants = chooseMutants();
const copy = mkdtempSync(join(tmpdir(), 'muniment-mutants-'));
try {
  copyCheckout(ROOT, copy);
  await requireGreen(copy, mutants);
  const survivors: string[] = [];
  for (const mutant of mutants) if (!(await isCaught(copy, mutant))) survivors.push(mutant.name);
  const caught = mutants.length - survivors.length;
  const percent = ((100 * caught) / mutants.length).toFixed(0);
  console.log(`${caught} of ${mutants.length} mutants caught (${percent} %)`);
  for (const name of survivors) console.log(`survived: ${name}`);
  process.exitCode = survivors.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
