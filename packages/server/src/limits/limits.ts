import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import type { Counter, Registry } from 'prom-client';
import type { MasterKey } from '@muniment/master-key';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import { RateLimited } from '../errors.ts';
import { createCounter } from '../operations/create-counter.ts';
import type { LimitName, LimitRule, LimitRules } from './rules.ts';
import { rateLimitFields, type LimitState } from './rate-limit-fields.ts';

/** A limit and its subject: a network, an e-mail key, a user id. */
export type Counted = readonly [name: LimitName, of: string];

/** Attempts that were counted before their outcome was known. */
export interface Consumed {
  /** Refunds them, e.g. after a success. Never rejects: the answer is already decided. */
  refund(): Promise<void>;
}

export interface Limits {
  enabled: boolean;
  /**
   * Counts an attempt at all limits, or at none when one refuses. Exact over all replicas, in one
   * round trip. Call it before what the limit protects.
   * @param onFirstRefusal called once in a limit's window, so a flood does not multiply its event
   * @throws RateLimited (429)
   */
  consume(counted: readonly Counted[], onFirstRefusal?: () => Promise<unknown>): Promise<Consumed>;
  /** Counts without refusing. `first` is true once in a window. */
  observe(counted: Counted): Promise<{ exceeded: boolean; first: boolean }>;
  /** True once in the limit's window, over all replicas: for the first that asks. */
  isFirstReport(counted: Counted): Promise<boolean>;
  /** Refunds an attempt that another request has consumed. */
  refund(counted: readonly Counted[]): Promise<void>;
  /** Gives limits their whole budget back. It never rejects: what it follows has taken effect. */
  restore(counted: readonly Counted[]): Promise<void>;
  rule(name: LimitName): LimitRule;
  key(counted: Counted): Buffer;
  /** Counts a refusal in the metrics. */
  countRefusal(name: LimitName): void;
  /** A secret for one purpose, the same on all replicas. */
  secret(purpose: string): Buffer;
}

/** The secret of the keys: 32 random bytes, the same on every replica, wrapped by the master key. */
async function loadSecret<DB>(db: Kysely<DB>, masterKey: MasterKey): Promise<Buffer> {
  const find = async () =>
    (await sql<{ wrapped: Buffer }>`select wrapped from shared.limit_secret`.execute(db)).rows[0]
      ?.wrapped;
  let wrapped = await find();
  if (!wrapped) {
    // Replicas may start at the same time; the first row stays.
    await sql`insert into shared.limit_secret (wrapped)
      values (${await masterKey.wrap(randomBytes(32), 'limits')})
      on conflict do nothing`.execute(db);
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

/** Microseconds in which one attempt comes back. */
export const intervalOf = ({ burst, seconds }: LimitRule): number =>
  Math.max(1, Math.round((seconds * 1_000_000) / burst));

/** The refusal, with the fields of the limits that refuse. */
export function rateLimited(states: readonly LimitState[], retrySeconds: number): Error {
  return Object.assign(new RateLimited(), {
    retryAfter: Math.max(1, Math.ceil(retrySeconds)),
    headers: rateLimitFields(states),
  });
}

const NOTHING_CONSUMED: Consumed = { refund: async () => {} };

interface LimitsOptions {
  masterKey: MasterKey;
  rules: LimitRules;
  enabled: boolean;
  metrics: Registry;
  onRefundLost?(error: unknown): void;
}

/** The limits that all replicas of all services share. */
export async function createLimits<DB>(
  db: Kysely<DB>,
  { masterKey, rules, enabled, metrics, onRefundLost = () => {} }: LimitsOptions,
): Promise<Limits> {
  const root = await loadSecret(db, masterKey);
  const secret = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', root, '', purpose, 32));
  // With a buffer as its key, an HMAC takes 20 µs in the place of 3.
  const keySecret = createSecretKey(secret('limit-keys'));
  const refusals = createRefusalCounter(metrics, Object.keys(rules));
  const key = ([name, of]: Counted): Buffer =>
    createHmac('sha256', keySecret).update(`${name}\0${of}`).digest().subarray(0, 16);

  async function count(counted: readonly Counted[]): Promise<Row[]> {
    const bursts = counted.map(([name]) => rules[name].burst);
    const { rows } = await sql<Row>`
      select * from shared.take_limits(
        ${counted.map(key)}::bytea[], ${intervalsOf(counted, rules)}::bigint[],
        ${bursts}::integer[])`.execute(db);
    return rows;
  }
  async function giveBack(counted: readonly Counted[], intervals: number[]): Promise<void> {
    if (!enabled) return;
    await sql`
      select shared.refund_limits(
        ${counted.map(key)}::bytea[], ${intervals}::bigint[])`.execute(db);
  }
  const refund = (counted: readonly Counted[]): Promise<void> =>
    giveBack(counted, intervalsOf(counted, rules));

  return {
    enabled,
    key,
    secret,
    refund,
    // As many attempts as there are, so the budget is full again.
    restore: (counted) =>
      giveBack(
        counted,
        counted.map(([name]) => intervalOf(rules[name]) * rules[name].burst),
      ).catch(onRefundLost),
    rule: (name) => rules[name],
    countRefusal: (name) => refusals.inc({ limit: name }),
    async consume(counted, onFirstRefusal) {
      if (!enabled) return NOTHING_CONSUMED;
      const refused = findRefused(await count(counted), counted);
      if (refused.length === 0) return { refund: () => refund(counted).catch(onRefundLost) };
      for (const { name } of refused) refusals.inc({ limit: name });
      if (refused.some(({ row }) => row.first_refusal)) await onFirstRefusal?.();
      const states = refused.map(({ name, row }) => stateOf(name, rules[name], row));
      const retryUs = Math.max(...refused.map(({ row }) => row.retry_us));
      throw rateLimited(states, retryUs / 1_000_000);
    },
    isFirstReport: ([name, of]) =>
      consumeOne(db, key([name, `report\0${of}`]), rules[name].seconds),
    async observe(counted) {
      const [row] = enabled ? await count([counted]) : [];
      return { exceeded: row !== undefined && !row.allowed, first: row?.first_refusal ?? false };
    },
  };
}

/** Consumes the one attempt that a window of so many seconds has. @returns whether it was there */
async function consumeOne<DB>(db: Kysely<DB>, key: Buffer, seconds: number): Promise<boolean> {
  const { rows } = await sql<Row>`
    select * from shared.take_limits(
      array[${key}::bytea], array[${seconds * 1_000_000}::bigint], array[1])`.execute(db);
  return rows[0]?.allowed ?? false;
}

const createRefusalCounter = (metrics: Registry, names: readonly string[]): Counter<'limit'> =>
  createCounter({
    name: 'muniment_rate_limited_total',
    help: 'Requests refused by a limit.',
    labels: { limit: names },
    registers: [metrics],
  });

const intervalsOf = (counted: readonly Counted[], rules: LimitRules): number[] =>
  counted.map(([name]) => intervalOf(rules[name]));

/** The limits that refuse, with their rows; the rows come in the order of `counted`. */
const findRefused = (rows: readonly Row[], counted: readonly Counted[]) =>
  counted.flatMap(([name], index) => {
    const row = rows[index];
    return row && !row.allowed ? [{ name, row }] : [];
  });

const stateOf = (name: LimitName, rule: LimitRule, row: Row): LimitState => ({
  name,
  rule,
  remaining: row.remaining,
  resetSeconds: row.reset_us / 1_000_000,
});

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
