import { withTimeout } from '@muniment/security';
import { sql, type Kysely } from 'kysely';
import { intervalOf, rateLimited, type Counted, type Limits } from './limits.ts';
import type { LimitState } from './rate-limit-fields.ts';

/** Where a caller stands after a try. */
export interface LocalDecision extends LimitState {
  allowed: boolean;
  retrySeconds: number;
}

export interface LocalLimits {
  /** One try. Mostly without a round trip: it comes out of what this replica has taken from the shared budget before. */
  tryConsume(counted: Counted): Promise<LocalDecision>;
  /** The same. @throws RateLimited (429) */
  consume(counted: Counted): Promise<void>;
  /** How the caller stands as far as this replica knows. */
  state(counted: Counted): LimitState | undefined;
}

interface Lease {
  tokens: number;
  /** What is not used by then is lost, so that it cannot be spent on top of a later window. */
  until: number;
  /** How many to ask for next. */
  size: number;
  waiting: number;
  /** Left in the shared budget when it was asked last. */
  remaining: number;
  fullAt: number;
  refusedUntil: number;
  asking: Promise<void> | undefined;
  /** While the database is away: the theoretical arrival time of this replica's own count. */
  localTat: number;
}

const LEASE_MS = 5_000;
const AWAY_MS = 1_000;
/** A database that has not answered by then counts as away: no request waits for its limit longer than that. */
const LOOKUP_TIMEOUT_MS = 250;
/** A caller that is refused is not looked up for so long: a flood costs no round trips. */
const REFUSAL_MS = 1_000;
const MAX_CALLERS = 20_000;

interface LeaseRow {
  granted: number;
  remaining: number;
  reset_us: number;
  retry_us: number;
}

/**
 * Limits for what happens all the time. A replica takes tries from the budget that all replicas share, in chunks that double from one while they are used up, and
 * spends them locally: in sum there are never more than the limit, and whoever asks seldom wastes none. While the database is away each replica counts by
 * itself, as these limits guard against load and not against guessing.
 */
export function createLocalLimits<DB>(
  db: Kysely<DB>,
  limits: Limits,
  isUnavailable: (error: unknown) => boolean,
  now = (): number => performance.now(),
): LocalLimits {
  const leases = new Map<string, Lease>();
  /** Until when nobody asks a database that was away. */
  let awayUntil = 0;

  function leaseOf([name, of]: Counted): Lease {
    const id = `${name}\0${of}`;
    let lease = leases.get(id);
    if (!lease) {
      lease = {
        tokens: 0,
        until: 0,
        size: 1,
        waiting: 0,
        remaining: limits.rule(name).burst,
        fullAt: 0,
        refusedUntil: 0,
        asking: undefined,
        localTat: 0,
      };
      const [oldest] = leases.size >= MAX_CALLERS ? leases.keys() : [];
      // Its tries are lost, which errs on the safe side.
      if (oldest !== undefined) leases.delete(oldest);
      leases.set(id, lease);
    }
    return lease;
  }

  async function ask(lease: Lease, counted: Counted): Promise<void> {
    const rule = limits.rule(counted[0]);
    const chunk = Math.max(1, Math.floor(rule.burst / 20));
    const usedUp = lease.tokens === 0 && now() < lease.until;
    lease.size = usedUp ? Math.min(chunk, lease.size * 2) : 1;
    const most = Math.max(lease.size, Math.min(lease.waiting, rule.burst));
    try {
      const {
        rows: [row],
      } = await sql<LeaseRow>`
        select * from shared.lease_limit(${limits.key(counted)}, ${intervalOf(rule)}::bigint, ${rule.burst}::integer, ${most}::integer)`.execute(
        db,
      );
      if (!row) return;
      lease.tokens = row.granted;
      lease.until = now() + LEASE_MS;
      lease.remaining = row.remaining;
      lease.fullAt = now() + row.reset_us / 1_000;
      lease.refusedUntil = row.granted > 0 ? 0 : now() + Math.min(REFUSAL_MS, row.retry_us / 1_000);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      awayUntil = now() + AWAY_MS;
    }
  }

  /** The answer, or what there is to go by without: whoever asked too long ago still brings it when it comes. */
  async function askBriefly(lease: Lease, counted: Counted): Promise<void> {
    lease.asking ??= ask(lease, counted).finally(() => {
      lease.asking = undefined;
    });
    await withTimeout(lease.asking, LOOKUP_TIMEOUT_MS, () => {
      awayUntil = now() + AWAY_MS;
    });
  }

  function spendAlone(lease: Lease, [name]: Counted): boolean {
    const { burst, seconds } = limits.rule(name);
    const next = Math.max(lease.localTat, now()) + (seconds * 1_000) / burst;
    if (next > now() + seconds * 1_000) return false;
    lease.localTat = next;
    return true;
  }

  async function decide(lease: Lease, counted: Counted): Promise<boolean> {
    lease.waiting += 1;
    try {
      for (;;) {
        if (lease.tokens > 0 && now() < lease.until) {
          lease.tokens -= 1;
          return true;
        }
        if (now() < lease.refusedUntil) return false;
        if (now() < awayUntil) return spendAlone(lease, counted);
        await askBriefly(lease, counted);
      }
    } finally {
      lease.waiting -= 1;
    }
  }

  function stateOf(lease: Lease, [name]: Counted): LimitState {
    return {
      name,
      rule: limits.rule(name),
      remaining: lease.remaining + lease.tokens,
      resetSeconds: Math.max(0, (lease.fullAt - now()) / 1_000),
    };
  }

  async function tryConsume(counted: Counted): Promise<LocalDecision> {
    const lease = leaseOf(counted);
    const allowed = await decide(lease, counted);
    if (!allowed) limits.countRefusal(counted[0]);
    return {
      ...stateOf(lease, counted),
      allowed,
      retrySeconds: allowed ? 0 : Math.max(1, (lease.refusedUntil - now()) / 1_000),
    };
  }

  return {
    tryConsume,
    async consume(counted) {
      if (!limits.enabled) return;
      const spent = await tryConsume(counted);
      if (!spent.allowed) throw rateLimited([spent], spent.retrySeconds);
    },
    state(counted) {
      const lease = leases.get(counted.join('\0'));
      return lease && stateOf(lease, counted);
    },
  };
}
