import { join } from 'node:path';
import { test } from 'tap';
import { renderSummary } from '../chaos/report.ts';
import { runChaos } from '../chaos/run.ts';

// The folder stays after the test: a failure is explained by its history.
const folder = join(import.meta.dirname, '../../.chaos/test');

test('under random faults the trail equals what the clients were told', async (t) => {
  t.setTimeout(240_000);
  const result = await runChaos(t, {
    seed: Number(process.env['SEED'] ?? 1),
    durationMs: 32_000,
    faultEveryMs: 1_100,
    leastActions: 201,
    folder,
    print: (line) => t.comment(line),
  });
  for (const line of renderSummary(result, result.violations)) t.comment(line);
  t.strictSame(result.violations, []);
  const acknowledged = result.actions.reduce((sum, { ok }) => sum + ok, 0);
  t.ok(acknowledged > 200, `${acknowledged} actions were acknowledged`);
  t.ok(result.faults.length > 15, `${result.faults.length} faults`);
});
