/** Probability that a random member of `a` exceeds one of `b`; 0.5: indistinguishable. */
function auc(a: readonly number[], b: readonly number[]): number {
  const wins = a.reduce(
    (sum, x) => sum + b.reduce((inner, y) => inner + (x > y ? 1 : x === y ? 0.5 : 0), 0),
    0,
  );
  return wins / (a.length * b.length);
}

/** With 150 rounds the standard error is 0.033: 0.35 to 0.65 is 4.5 of it. */
const ROUNDS = Number(process.env.TIMING_ROUNDS) || 150;

/** Asks in pairs of random order, so noise meets both. @returns the AUC of their times */
export async function timesApart(
  ask: (kind: 'known' | 'unknown', n: number) => Promise<unknown>,
): Promise<number> {
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let n = 0; n < 20; n += 1) await ask(n % 2 ? 'known' : 'unknown', n);
  for (let n = 0; n < ROUNDS; n += 1) {
    for (const kind of Math.random() < 0.5
      ? (['known', 'unknown'] as const)
      : (['unknown', 'known'] as const)) {
      const begin = performance.now();
      await ask(kind, n);
      times[kind].push(performance.now() - begin);
    }
  }
  return auc(times.known, times.unknown);
}
