import { test } from 'tap';
import { fuzz, type FuzzOptions } from '../fuzz/fuzz.ts';
import { shareFleet } from '../fleet.ts';
import { openDatabase } from '../stores.ts';

/** A fixed seed, so that the suite passes or fails alike. `make test-long` takes the day's. */
function readOptions(): FuzzOptions {
  const { FUZZ_SEED, FUZZ_REQUESTS, FUZZ_CALLER: caller, FUZZ_PATH: path } = process.env;
  return {
    seed: Number(FUZZ_SEED ?? 1),
    requests: Number(FUZZ_REQUESTS ?? 1_000),
    ...(caller !== undefined && { caller }),
    ...(path !== undefined && { path }),
  };
}

test('no request gets a 5xx, an undocumented answer, or a hint of what is another’s', async (t) => {
  const fleet = await shareFleet();
  const options = readOptions();
  const started = performance.now();
  const results = await fuzz({ fleet, rows: await openDatabase(t, fleet) }, options);
  t.comment(`FUZZ_SEED=${options.seed}, ${Math.round(performance.now() - started)} ms`);
  for (const { caller, sent, statuses, fault } of results) {
    const counted = [...statuses].toSorted(([one], [other]) => one - other);
    t.comment(`${caller}: ${counted.map(([status, count]) => `${count} × ${status}`).join(', ')}`);
    t.equal(fault, undefined, `${sent} requests of ${caller}`);
  }
});
