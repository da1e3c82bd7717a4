/**
 * `make chaos MINUTES=5 SEED=1`: clients act, a nemesis breaks things, and in the end the trail is held against what the clients were told. Without
 * a SEED one is drawn and printed. The same seed gives the same plan of actions and faults; how they interleave is up to the machine.
 */
import { randomInt } from 'node:crypto';
import { join, relative } from 'node:path';
import { FAULTS, type FaultKind } from './plan/plan-faults.ts';
import { renderSummary } from './report.ts';
import { runChaos } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const {
  MINUTES = '',
  SEED = '',
  FAULTS: ONLY = '',
  CHAOS_FOLDER = join(ROOT, '.chaos'),
} = process.env;
const minutes = Number(MINUTES || 5);
const seed = SEED === '' ? randomInt(1, 1_000_000) : Number(SEED);
const faults = (ONLY === '' ? Object.keys(FAULTS) : ONLY.split(',')) as FaultKind[];
const unknown = faults.filter((kind) => !(kind in FAULTS));
if (!(minutes > 0) || !Number.isSafeInteger(seed) || unknown.length > 0) {
  console.error(
    `MINUTES=${MINUTES} SEED=${SEED} FAULTS=${ONLY}: minutes above 0, a whole number, and some of ${Object.keys(FAULTS).join(',')}`,
  );
  process.exit(2);
}

const ends: (() => unknown)[] = [];
async function end(): Promise<void> {
  while (ends.length > 0) await ends.pop()?.();
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().finally(() => process.exit(130)));

try {
  const result = await runChaos(
    { teardown: (one) => void ends.push(one) },
    {
      seed,
      durationMs: minutes * 60_000,
      faults,
      folder: CHAOS_FOLDER,
      print: (line) => console.log(line),
    },
  );
  for (const line of renderSummary(result, result.violations)) console.log(line);
  const folder = relative(process.cwd(), CHAOS_FOLDER);
  console.log(
    `\n${result.violations.length === 0 ? 'the trail is what happened' : 'the trail is NOT what happened'}; ${folder}/${seed}.json has the result, ${folder}/${seed}.jsonl the history`,
  );
  console.log(
    `again: make chaos MINUTES=${minutes} SEED=${seed} (the same actions and faults; their interleaving differs)`,
  );
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} finally {
  await end();
}
