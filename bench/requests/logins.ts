import { availableParallelism } from 'node:os';
import argon2 from 'argon2';
import { PASSWORD, type Fleet } from '../../test/e2e/fleet.ts';
import { load } from '../load/load.ts';
import type { Measurement } from '../report.ts';

const SECONDS = 6;

/** Hashes per second of argon2 alone, one at a time per core. */
export async function hashesPerSecond(seconds = SECONDS): Promise<number> {
  const hash = await argon2.hash(PASSWORD, {
    type: argon2.argon2id,
    memoryCost: 19_456,
    timeCost: 2,
    parallelism: 1,
  });
  const until = performance.now() + seconds * 1_000;
  let hashes = 0;
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (; performance.now() < until; hashes += 1) await argon2.verify(hash, PASSWORD);
    }),
  );
  return hashes / seconds;
}

/** Measures logins per second through the gateway against argon2 alone at the same parameters. */
export async function measureLogins(fleet: Fleet): Promise<Measurement[]> {
  const { user } = await fleet.signUp();
  const limits: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    limits.push(await hashesPerSecond());
    const logins = await load({
      method: 'POST',
      url: `${fleet.url}/api/users/login`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: user.email, password: PASSWORD }),
      connections: 8,
      seconds: SECONDS,
    });
    if (logins.failed > 0) throw new Error(`${logins.failed} logins failed.`);
    rates.push(logins.perSecond);
  }
  const [limit, rate] = [Math.max(...limits), Math.max(...rates)];
  return [
    {
      what: 'logins / argon2 alone',
      value: rate / limit,
      unit: '×',
      goal: { atLeast: 0.9 },
      beside: `${rate.toFixed(0)}/s beside ${limit.toFixed(0)}/s`,
    },
  ];
}
