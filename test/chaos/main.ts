/**
 * `make chaos MINUTES=5 SEED=1`: runs clients under faults, then compares the trail with answers.
 * A seed gives the same actions and faults; their interleaving differs. Without SEED one is drawn.
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
    `MINUTES=${MINUTES} SEED=${SEED} FAULTS=${ONLY} is not valid. MINUTES is above 0, ` +
      `SEED is a whole number, and FAULTS are some of ${Object.keys(FAULTS).join(',')}.`,
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
  const isClean = result.violations.length === 0;
  console.log(
    `\n${isClean ? 'the trail is what happened' : 'the trail is NOT what happened'}; ` +
      `${folder}/${seed}.json has the result, ${folder}/${seed}.jsonl the history`,
  );
  console.log(
    `again: make chaos MINUTES=${minutes} SEED=${seed} ` +
      '(the same actions and faults; their interleaving differs)',
  );
  process.exitCode = isClean ? 0 : 1;
} finally {
  await end();
}
