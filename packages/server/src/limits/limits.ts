import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { Counter, type Registry } from 'prom-client';
import type { MasterKey } from '@muniment/master-key';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import { RateLimited } from '../errors.ts';
import type { LimitName, LimitRule, LimitRules } from './rules.ts';
import { rateLimitFields, type LimitState } from './rate-limit-fields.ts';

/** A limit and whom it is counted for: a network, an e-mail key, a user id. */
export type Counted = readonly [name: LimitName, of: string];

/** Tries that were taken before their outcome was known. */
export interface Consumed {
  /** Gives them back: it was a success, or no try after all. Never rejects: what the tries were for has been decided, and its answer must not become another by this. */
  refund(): Promise<void>;
}

export interface Limits {
  enabled: boolean;
  /**
   * Counts a try at every one of the limits, or at none when one refuses. Exact over all replicas, in one round trip; call it before what the limit protects.
   * @param onFirstRefusal called for no more than one refusal of a limit in its window: for an event that a flood must not multiply
   * @throws RateLimited (429)
   */
  consume(counted: readonly Counted[], onFirstRefusal?: () => Promise<unknown>): Promise<Consumed>;
  /** Counts without refusing. @returns which of them went past their limit, each one once in its window */
  observe(counted: Counted): Promise<{ exceeded: boolean; first: boolean }>;
  /** Gives a try back that another request has taken. */
  refund(counted: readonly Counted[]): Promise<void>;
  rule(name: LimitName): LimitRule;
  key(counted: Counted): Buffer;
  /** Counts a refusal in the metrics. */
  countRefusal(name: LimitName): void;
  /** Secret for what else must be the same on all replicas, apart by its purpose. */
  secret(purpose: string): Buffer;
}

/** The secret of the keys: 32 random bytes, the same on every replica, wrapped by the master key. */
async function loadSecret<DB>(db: Kysely<DB>, masterKey: MasterKey): Promise<Buffer> {
  const find = async () =>
    (await sql<{ wrapped: Buffer }>`select wrapped from shared.limit_secret`.execute(db)).rows[0]
      ?.wrapped;
  let wrapped = await find();
  if (!wrapped) {
    // Of replicas that begin at once, the first one's counts.
    await sql`insert into shared.limit_secret (wrapped) values (${await masterKey.wrap(randomBytes(32), 'limits')}) on conflict do nothing`.execute(
      db,
    );
    wrapped = await find();
  }
  if (!wrapped) throw new Error('the secret of the limits could not be stored');
  return masterKey.unwrap(wrapped, 'limits');
}

interface Row {
  allowed: boolean;
  remaining: number;
  reset_us: number;
  retry_us: number;
  first_refusal: boolean;
}

/** Microseconds in which one try comes back. */
export const intervalOf = ({ burst, seconds }: LimitRule): number =>
  Math.max(1, Math.round((seconds * 1_000_000) / burst));

/** The refusal, with the fields of the limits that refuse. */
export function rateLimited(states: readonly LimitState[], retrySeconds: number): Error {
  return Object.assign(new RateLimited(), {
    retryAfter: Math.max(1, Math.ceil(retrySeconds)),
    headers: rateLimitFields(states),
  });
}

const NOTHING_TAKEN: Consumed = { refund: async () => {} };

/** The limits that all replicas of all services share. */
export async function createLimits<DB>(
  db: Kysely<DB>,
  {
    masterKey,
    rules,
    enabled,
    metrics,
    onRefundLost = () => {},
  }: {
    masterKey: MasterKey;
    rules: LimitRules;
    enabled: boolean;
    metrics: Registry;
    onRefundLost?: (error: unknown) => void;
  },
): Promise<Limits> {
  const root = await loadSecret(db, masterKey);
  const secret = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', root, '', purpose, 32));
  const keySecret = secret('limit-keys');
  const refusals = new Counter({
    name: 'muniment_rate_limited_total',
    help: 'Requests refused by a limit.',
    labelNames: ['limit'],
    registers: [metrics],
  });
  const key = ([name, of]: Counted): Buffer =>
    createHmac('sha256', keySecret).update(`${name}\0${of}`).digest().subarray(0, 16);
  const parameters = (counted: readonly Counted[]) => ({
    keys: counted.map(key),
    intervals: counted.map(([name]) => intervalOf(rules[name])),
    bursts: counted.map(([name]) => rules[name].burst),
  });
  async function count(counted: readonly Counted[]): Promise<Row[]> {
    const { keys, intervals, bursts } = parameters(counted);
    return (
      await sql<Row>`select * from shared.take_limits(${keys}::bytea[], ${intervals}::bigint[], ${bursts}::integer[])`.execute(
        db,
      )
    ).rows;
  }
  async function refund(counted: readonly Counted[]): Promise<void> {
    if (!enabled) return;
    const { keys, intervals } = parameters(counted);
    await sql`select shared.refund_limits(${keys}::bytea[], ${intervals}::bigint[])`.execute(db);
  }

  return {
    enabled,
    key,
    secret,
    refund,
    rule: (name) => rules[name],
    countRefusal: (name) => refusals.inc({ limit: name }),
    async consume(counted, onFirstRefusal) {
      if (!enabled) return NOTHING_TAKEN;
      const rows = await count(counted);
      const refused = rows.flatMap((row, index) => {
        const name = counted[index]?.[0];
        return row.allowed || !name
          ? []
          : [
              {
                row,
                name,
                state: {
                  name,
                  rule: rules[name],
                  remaining: row.remaining,
                  resetSeconds: row.reset_us / 1_000_000,
                },
              },
            ];
      });
      if (refused.length === 0) return { refund: () => refund(counted).catch(onRefundLost) };
      for (const { name } of refused) refusals.inc({ limit: name });
      if (refused.some(({ row }) => row.first_refusal)) await onFirstRefusal?.();
      throw rateLimited(
        refused.map(({ state }) => state),
        Math.max(...refused.map(({ row }) => row.retry_us)) / 1_000_000,
      );
    },
    async observe(counted) {
      const [row] = enabled ? await count([counted]) : [];
      return { exceeded: row !== undefined && !row.allowed, first: row?.first_refusal ?? false };
    },
  };
}

const SWEEP_PAUSE_MS = 30_000;
const SWEEP_BATCH = 1_000;

/** Deletes rows whose budget is full again. Batches, so that it holds no locks for long. */
export function deleteFullLimits<DB>(
  db: Kysely<DB>,
  onError: (error: unknown) => void,
): BackgroundLoop {
  return repeat(
    'limits',
    SWEEP_PAUSE_MS,
    async () => {
      for (let batch = 0; batch < 100; batch += 1) {
        const { rows } = await sql<{
          swept: number;
        }>`select shared.sweep_limits(${SWEEP_BATCH}) as swept`.execute(db);
        if ((rows[0]?.swept ?? 0) < SWEEP_BATCH) return;
      }
    },
    onError,
  );
}
