import { withTimeout } from '@muniment/security';
import { sql, type Kysely } from 'kysely';
import { intervalOf, rateLimited, type Counted, type Limits } from './limits.ts';
import type { LimitState } from './rate-limit-fields.ts';

/** The state of a caller's limit after an attempt. */
export interface LocalDecision extends LimitState {
  allowed: boolean;
  retrySeconds: number;
}

export interface LocalLimits {
  /** Consumes one attempt, mostly from this replica's lease and so without a round trip. */
  tryConsume(counted: Counted): Promise<LocalDecision>;
  /**
   * Throws what a refused attempt is answered.
   * @param onFirstRefusal called once in the limit's window, over all replicas
   * @throws RateLimited (429)
   */
  refuse(
    counted: Counted,
    retrySeconds: number,
    onFirstRefusal?: () => Promise<unknown>,
  ): Promise<never>;
  /** Both. @throws RateLimited (429) */
  consume(counted: Counted, onFirstRefusal?: () => Promise<unknown>): Promise<void>;
  /** The caller's limit as far as this replica knows. */
  state(counted: Counted): LimitState | undefined;
}

interface Lease {
  tokens: number;
  /** Unused tokens expire then, so that they do not add to a later window. */
  until: number;
  /** Size of the next lease. */
  size: number;
  waiting: number;
  /** Remaining in the shared budget at the last lease. */
  remaining: number;
  fullAt: number;
  refusedUntil: number;
  /** The end of the window in which a refusal was reported. */
  reportedUntil: number;
  asking: Promise<void> | undefined;
  /** While the database is away: the theoretical arrival time of this replica's own count. */
  localTat: number;
}

const LEASE_MS = 5_000;
const AWAY_MS = 1_000;
/** No request waits longer for its limit: a database that is slower counts as away. */
const LOOKUP_TIMEOUT_MS = 250;
/** How long a refusal is cached, so that a flood costs no round trips. */
const REFUSAL_MS = 1_000;
const MAX_CALLERS = 20_000;

interface LeaseRow {
  granted: number;
  remaining: number;
  reset_us: number;
  retry_us: number;
}

/** What the functions below share. */
interface Budget<DB> {
  db: Kysely<DB>;
  limits: Limits;
  isUnavailable(error: unknown): boolean;
  now(): number;
  leases: Map<string, Lease>;
  /** Until then a database that was away is not asked. */
  awayUntil: number;
}

/**
 * Limits for frequent requests. A replica leases attempts from the shared budget, in chunks that
 * double while they are used up. While the database is away each replica counts alone, since these
 * limits guard against load, not guessing.
 */
export function createLocalLimits<DB>(
  db: Kysely<DB>,
  limits: Limits,
  isUnavailable: (error: unknown) => boolean,
  now = (): number => performance.now(),
): LocalLimits {
  const budget: Budget<DB> = { db, limits, isUnavailable, now, leases: new Map(), awayUntil: 0 };

  async function tryConsume(counted: Counted): Promise<LocalDecision> {
    const lease = findOrAddLease(budget, counted);
    const allowed = await decide(budget, lease, counted);
    if (!allowed) limits.countRefusal(counted[0]);
    return {
      ...stateOf(budget, lease, counted),
      allowed,
      retrySeconds: allowed ? 0 : Math.max(1, (lease.refusedUntil - now()) / 1_000),
    };
  }

  async function refuse(
    counted: Counted,
    retrySeconds: number,
    onFirstRefusal?: () => Promise<unknown>,
  ): Promise<never> {
    const lease = findOrAddLease(budget, counted);
    const state = { ...stateOf(budget, lease, counted), remaining: 0 };
    // The replicas share one report, so that each flood is one event in a window.
    const mayReport = isFirstRefusal(budget, lease, counted) && onFirstRefusal;
    if (mayReport && (await limits.isFirstReport(counted))) await mayReport();
    throw rateLimited([state], retrySeconds);
  }

  return {
    tryConsume,
    refuse,
    async consume(counted, onFirstRefusal) {
      if (!limits.enabled) return;
      const { allowed, retrySeconds } = await tryConsume(counted);
      if (!allowed) await refuse(counted, retrySeconds, onFirstRefusal);
    },
    state(counted) {
      const lease = budget.leases.get(counted.join('\0'));
      return lease && stateOf(budget, lease, counted);
    },
  };
}

function findOrAddLease<DB>({ leases, limits }: Budget<DB>, [name, of]: Counted): Lease {
  const id = `${name}\0${of}`;
  const known = leases.get(id);
  if (known) return known;
  const lease: Lease = {
    tokens: 0,
    until: 0,
    size: 1,
    waiting: 0,
    remaining: limits.rule(name).burst,
    fullAt: 0,
    refusedUntil: 0,
    reportedUntil: 0,
    asking: undefined,
    localTat: 0,
  };
  const [oldest] = leases.size >= MAX_CALLERS ? leases.keys() : [];
  // Its unused attempts are lost, which is the safe side.
  if (oldest !== undefined) leases.delete(oldest);
  leases.set(id, lease);
  return lease;
}

async function decide<DB>(budget: Budget<DB>, lease: Lease, counted: Counted): Promise<boolean> {
  const { now } = budget;
  lease.waiting += 1;
  try {
    for (;;) {
      if (lease.tokens > 0 && now() < lease.until) {
        lease.tokens -= 1;
        return true;
      }
      if (now() < lease.refusedUntil) return false;
      if (now() < budget.awayUntil) return consumeAlone(budget, lease, counted);
      await renewBriefly(budget, lease, counted);
    }
  } finally {
    lease.waiting -= 1;
  }
}

/** Only of refusals by the shared count: during an outage nothing could be recorded. */
function isFirstRefusal<DB>({ limits, now }: Budget<DB>, lease: Lease, [name]: Counted): boolean {
  if (now() >= lease.refusedUntil || now() < lease.reportedUntil) return false;
  lease.reportedUntil = now() + limits.rule(name).seconds * 1_000;
  return true;
}

/** Counts by this replica's own clock while the database is away. */
function consumeAlone<DB>({ limits, now }: Budget<DB>, lease: Lease, [name]: Counted): boolean {
  const { burst, seconds } = limits.rule(name);
  const next = Math.max(lease.localTat, now()) + (seconds * 1_000) / burst;
  if (next > now() + seconds * 1_000) return false;
  lease.localTat = next;
  return true;
}

/** Waits for a lease for a bounded time. A late answer still fills the lease. */
async function renewBriefly<DB>(budget: Budget<DB>, lease: Lease, counted: Counted): Promise<void> {
  lease.asking ??= renew(budget, lease, counted).finally(() => {
    lease.asking = undefined;
  });
  await withTimeout(lease.asking, LOOKUP_TIMEOUT_MS, () => {
    budget.awayUntil = budget.now() + AWAY_MS;
  });
}

async function renew<DB>(budget: Budget<DB>, lease: Lease, counted: Counted): Promise<void> {
  const { db, limits, now, isUnavailable } = budget;
  const rule = limits.rule(counted[0]);
  const chunk = Math.max(1, Math.floor(rule.burst / 20));
  const usedUp = lease.tokens === 0 && now() < lease.until;
  lease.size = usedUp ? Math.min(chunk, lease.size * 2) : 1;
  const wanted = Math.max(lease.size, Math.min(lease.waiting, rule.burst));
  try {
    const { rows } = await sql<LeaseRow>`
      select * from shared.lease_limit(
        ${limits.key(counted)}, ${intervalOf(rule)}::bigint,
        ${rule.burst}::integer, ${wanted}::integer)`.execute(db);
    if (rows[0]) fill(lease, rows[0], now());
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    budget.awayUntil = now() + AWAY_MS;
  }
}

function fill(lease: Lease, row: LeaseRow, now: number): void {
  lease.tokens = row.granted;
  lease.until = now + LEASE_MS;
  lease.remaining = row.remaining;
  lease.fullAt = now + row.reset_us / 1_000;
  lease.refusedUntil = row.granted > 0 ? 0 : now + Math.min(REFUSAL_MS, row.retry_us / 1_000);
}

function stateOf<DB>({ limits, now }: Budget<DB>, lease: Lease, [name]: Counted): LimitState {
  return {
    name,
    rule: limits.rule(name),
    remaining: lease.remaining + lease.tokens,
    resetSeconds: Math.max(0, (lease.fullAt - now()) / 1_000),
  };
}
