/** Probability that a random member of `a` is larger than one of `b`, ties half: 0.5 when they cannot be told apart. */
function auc(a: readonly number[], b: readonly number[]): number {
  const wins = a.reduce(
    (sum, x) => sum + b.reduce((inner, y) => inner + (x > y ? 1 : x === y ? 0.5 : 0), 0),
    0,
  );
  return wins / (a.length * b.length);
}

/** `make test-long` takes thousands. With 150 of each the standard error is 0.033, so a bound of 0.35 to 0.65 is four and a half of them away. */
const ROUNDS = Number(process.env.TIMING_ROUNDS) || 150;

/**
 * Asks about something that is there and about something that is not, in pairs in either order, so that whatever else the machine does meets both.
 * @returns the AUC of their times
 */
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
