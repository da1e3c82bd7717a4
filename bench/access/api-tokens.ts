import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { createDatabase } from '@muniment/database';
import {
  createApiToken,
  createApiTokenLookup,
  createRevocations,
  hashApiToken,
  isAddressAllowed,
  isApiToken,
  queryApiTokens,
} from '@muniment/security';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';

const TOKENS = 4_000;
const CHECKS = 40_000;
/** Checks that are under way at once, as requests are. */
const AT_ONCE = 50;

const percentage = (share: number): string => `${Math.round(share * 100)} %`;

interface Known {
  text: string;
  id: string;
}

async function makeTokens(db: Kysely<unknown>, userId: string): Promise<Known[]> {
  const made = Array.from({ length: TOKENS }, () => ({ text: createApiToken(), id: randomUUID() }));
  await sql`
    insert into identity.api_tokens (id, user_id, token_hash, name, scopes, allowed_ips, expires_at)
    select id, ${userId}, hash, 'bench', '{files:read}', '{192.0.2.0/24}', now() + interval '1 hour'
    from unnest(${made.map(({ id }) => id)}::uuid[], ${made.map(({ text }) => hashApiToken(text))}::bytea[]) as given (id, hash)`.execute(
    db,
  );
  return made;
}

/**
 * CPU of this process for a check of an API token: its form, the look-up, its address. `hitShare` of the checks are of tokens that are remembered, the
 * others of such as were pushed out. Each answer is compared with what it should be.
 */
async function measureChecks(
  db: Kysely<unknown>,
  tokens: readonly Known[],
  hitShare: number,
): Promise<number> {
  const revocations = createRevocations();
  // Fewer than there are tokens, so that one that was not asked for lately is not remembered.
  const often = tokens.slice(0, 500);
  const seldom = tokens.slice(500);
  const lookup = createApiTokenLookup({
    query: queryApiTokens(db),
    revocations,
    cacheSize: hitShare === 0 ? 1 : 1_000,
  });
  let checked = 0;
  let right = 0;
  const check = async ({ text, id }: Known): Promise<void> => {
    checked += 1;
    const found = isApiToken(text) ? await lookup.find(text) : undefined;
    if (found?.token.id === id && isAddressAllowed(found.token.allowedIps, '192.0.2.7')) right += 1;
  };
  const pick = (n: number): Known => {
    const list = hitShare > 0 && (n * 7_919) % 100 < hitShare * 100 ? often : seldom;
    const known = list[n % list.length];
    if (!known) throw new Error('no tokens');
    return known;
  };
  const run = async (first: number, count: number): Promise<void> => {
    for (let n = first; n < first + count; n += AT_ONCE) {
      revocations.confirmComplete(revocations.now());
      await Promise.all(Array.from({ length: AT_ONCE }, (_, offset) => check(pick(n + offset))));
    }
  };
  await run(0, 4_000);
  const before = process.cpuUsage();
  await run(4_000, CHECKS);
  const { user, system } = process.cpuUsage(before);
  if (right !== checked) throw new Error(`${checked - right} of ${checked} checks were wrong`);
  return (user + system) / CHECKS;
}

export async function measureApiTokens(fleet: Fleet): Promise<Measurement[]> {
  const {
    environments: { user },
    postgres,
  } = await fleet.describe();
  const owner = await fleet.signUp();
  const { db } = createDatabase<unknown>({
    url: user.DATABASE_URL ?? '',
    applicationName: 'bench',
    poolMax: 8,
  });
  const { db: superuser } = createDatabase<unknown>({
    url: postgres.url,
    applicationName: 'bench',
    poolMax: 1,
    statementTimeoutMs: 60_000,
  });
  try {
    const tokens = await makeTokens(superuser, owner.user.id);
    const rows: Measurement[] = [];
    for (const share of [0.95, 0]) {
      const value = await measureChecks(db, tokens, share);
      rows.push({
        what: `CPU of an API token check, ${percentage(share)} remembered`,
        value,
        unit: 'µs',
        ...(share > 0 && { goal: { atMost: 60 } }),
        beside: `${AT_ONCE} at once; all ${CHECKS} right`,
      });
    }
    return rows;
  } finally {
    await superuser.destroy();
    await db.destroy();
  }
}
