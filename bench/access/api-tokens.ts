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
/** Checks run concurrently, as requests do. */
const CONCURRENCY = 50;

const percentage = (share: number): string => `${Math.round(share * 100)} %`;

interface KnownToken {
  text: string;
  id: string;
}

async function insertTokens(db: Kysely<unknown>, userId: string): Promise<KnownToken[]> {
  const tokens = Array.from({ length: TOKENS }, () => ({
    text: createApiToken(),
    id: randomUUID(),
  }));
  const ids = tokens.map(({ id }) => id);
  const hashes = tokens.map(({ text }) => hashApiToken(text));
  await sql`
    insert into identity.api_tokens
      (id, user_id, token_hash, name, scopes, allowed_ips, expires_at)
    select id, ${userId}, hash, 'bench', '{files:read}', '{192.0.2.0/24}',
      now() + interval '1 hour'
    from unnest(${ids}::uuid[], ${hashes}::bytea[]) as given (id, hash)`.execute(db);
  return tokens;
}

/**
 * Measures the CPU of one check in µs: the token's form, the lookup and the address.
 * A share of `hitShare` finds its token cached. Every answer is verified.
 */
async function measureChecks(
  db: Kysely<unknown>,
  tokens: readonly KnownToken[],
  hitShare: number,
): Promise<number> {
  const revocations = createRevocations();
  // The cache holds fewer than there are tokens, so that the rare ones are evicted.
  const frequent = tokens.slice(0, 500);
  const rare = tokens.slice(500);
  const lookup = createApiTokenLookup({
    query: queryApiTokens(db),
    revocations,
    cacheSize: hitShare === 0 ? 1 : 1_000,
  });
  let checked = 0;
  let correct = 0;
  const check = async ({ text, id }: KnownToken): Promise<void> => {
    checked += 1;
    const found = isApiToken(text) ? await lookup.find(text) : undefined;
    if (found?.token.id === id && isAddressAllowed(found.token.allowedIps, '192.0.2.7'))
      correct += 1;
  };
  const pick = (n: number): KnownToken => {
    const list = hitShare > 0 && (n * 7_919) % 100 < hitShare * 100 ? frequent : rare;
    const token = list[n % list.length];
    if (!token) throw new Error('There are no tokens.');
    return token;
  };
  const run = async (first: number, count: number): Promise<void> => {
    for (let n = first; n < first + count; n += CONCURRENCY) {
      revocations.confirmComplete(revocations.now());
      const batch = Array.from({ length: CONCURRENCY }, (_, offset) => check(pick(n + offset)));
      await Promise.all(batch);
    }
  };
  await run(0, 4_000);
  const before = process.cpuUsage();
  await run(4_000, CHECKS);
  const { user, system } = process.cpuUsage(before);
  if (correct !== checked)
    throw new Error(`${checked - correct} of ${checked} checks gave a wrong answer.`);
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
    const tokens = await insertTokens(superuser, owner.user.id);
    const rows: Measurement[] = [];
    for (const share of [0.95, 0]) {
      const value = await measureChecks(db, tokens, share);
      rows.push({
        what: `CPU of an API token check, ${percentage(share)} remembered`,
        value,
        unit: 'µs',
        ...(share > 0 && { goal: { atMost: 60 } }),
        beside: `${CONCURRENCY} at once; all ${CHECKS} right`,
      });
    }
    return rows;
  } finally {
    await superuser.destroy();
    await db.destroy();
  }
}
