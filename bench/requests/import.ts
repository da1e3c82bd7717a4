import { sql } from 'kysely';
import { until } from '@muniment/testing';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';
import { readCpu } from '../rest/rest.ts';
import { countActions, openTrail } from '../trail/open-trail.ts';

const USERS = 10_000;
const ROUNDS = 3;
const HASH = `$2b$10$${'a'.repeat(21)}.${'a'.repeat(30)}.`;

const file = (round: number): string =>
  Array.from({ length: USERS }, (_, n) =>
    JSON.stringify({
      id: `import|${round}-${n}`,
      email: `import-${round}-${n}@example.com`,
      email_verified: true,
      first_name: 'Ada',
      last_name: `Lovelace ${n}`,
      country: 'Germany',
      password_hash: HASH,
    }),
  ).join('\n');

/** Measures an import through the gateway: from its first byte until every event is stored. */
export async function measureImport(fleet: Fleet): Promise<Measurement[]> {
  const trail = await openTrail(fleet);
  try {
    const { user, token } = await fleet.signUp();
    await trail.rows(sql`update identity.users set type = 'admin' where id = ${user.id}`);
    const rounds: { answered: number; stored: number }[] = [];
    const before = await readCpu(fleet);
    for (let round = 0; round < ROUNDS; round += 1) {
      const stored = await countActions(trail, 'USER_CREATED');
      const startedAt = performance.now();
      const answer = await fleet.call('POST', '/api/users/import', {
        token,
        body: file(round),
        headers: { 'content-type': 'application/x-ndjson' },
      });
      const report = await answer.text();
      if (!report.includes(`"created":${USERS}`)) throw new Error(report.slice(-500));
      const answered = performance.now() - startedAt;
      await until(async () => (await countActions(trail, 'USER_CREATED')) >= stored + USERS, {
        what: 'every event is stored',
        timeoutMs: 120_000,
      });
      rounds.push({ answered, stored: performance.now() - startedAt });
    }
    const shares = [...(await readCpu(fleet))].map(
      ([service, cpu]) => [service, (cpu - (before.get(service) ?? 0)) / (USERS * ROUNDS)] as const,
    );
    const perSecond = (ms: number): number => (USERS / ms) * 1_000;
    return [
      {
        what: 'import with ready hashes, every event stored',
        value: perSecond(Math.min(...rounds.map(({ stored }) => stored))),
        unit: 'users/s',
        goal: { atLeast: 1_000 },
        beside:
          `${perSecond(Math.min(...rounds.map(({ answered }) => answered))).toFixed(0)}/s until ` +
          'the answer; two of its seconds are the pause for a new kind of hash',
      },
      {
        what: 'CPU of the fleet per imported user, with its event',
        value: shares.reduce((sum, [, cpu]) => sum + cpu, 0),
        unit: 'ms',
        beside: shares.map(([service, cpu]) => `${service} ${cpu.toFixed(2)}`).join(', '),
      },
    ];
  } finally {
    await trail.close();
  }
}
