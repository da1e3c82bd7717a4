import type { Kysely } from 'kysely';
import { claimLease, createHolderId, LeaseLost, releaseLease, type Lease } from './lease.ts';

export interface LeaseOptions<DB> {
  db: Kysely<DB>;
  /** Schema of the `leases` table: a constant of ours, never a caller's text. */
  schema: string;
  /** Name of the lease. One replica at a time holds it. */
  name: string;
  /** This replica's name, for people who look at the table. */
  replica: string;
  /** A holder that is silent for this long is succeeded. */
  ttlMs: number;
}

/** What work under a lease gets. */
export interface HeldLease {
  lease: Lease;
  /** For long work: renews the lease after a third of `ttlMs`. @throws LeaseLost */
  renew(): Promise<void>;
}

/** One process's claim to a lease. */
export interface LeaseHolder {
  /** The lease, as far as this process knows. */
  current(): Lease | undefined;
  /**
   * Takes the lease, or renews it after a third of `ttlMs`.
   * @returns undefined while another replica holds it
   */
  acquire(): Promise<Lease | undefined>;
  /** For how long a rival still held the lease at the last `acquire`, in milliseconds. */
  rivalMs(): number;
  /** Renews this epoch of the lease after a third of `ttlMs`. @throws LeaseLost */
  renew(lease: Lease): Promise<void>;
  /** Stops trusting the lease; the next `acquire` asks the database. */
  drop(): void;
  /** Frees the lease for the next holder. An unreachable database lets it run out instead. */
  release(): Promise<void>;
}

export function createLeaseHolder<DB>(options: LeaseOptions<DB>): LeaseHolder {
  const { db, schema, name, replica, ttlMs } = options;
  const holder = createHolderId(replica);
  let lease: Lease | undefined;
  let renewedAt = -Infinity;
  let rivalMs = 0;

  async function acquire(): Promise<Lease | undefined> {
    // Before the statement: the database counts from a later instant, so we never overrate our
    // time.
    const now = performance.now();
    if (lease && now - renewedAt < ttlMs / 3) return lease;
    const claimed = await claimLease(db, { schema, name, holder, ttlMs });
    lease = claimed.lease;
    rivalMs = 'rivalMs' in claimed ? claimed.rivalMs : 0;
    renewedAt = now;
    return lease;
  }

  return {
    current: () => lease,
    acquire,
    rivalMs: () => rivalMs,
    async renew({ epoch }) {
      if (lease?.epoch === epoch) await acquire();
      if (lease?.epoch !== epoch) throw new LeaseLost(name);
    },
    drop: () => {
      lease = undefined;
    },
    async release() {
      if (lease) await releaseLease(db, lease).catch(() => {});
      lease = undefined;
    },
  };
}

/** Runs `work` once under the lease. @returns undefined while another replica holds it */
export async function runWithLease<DB, Result>(
  options: LeaseOptions<DB>,
  work: (held: HeldLease) => Promise<Result>,
): Promise<Result | undefined> {
  const holder = createLeaseHolder(options);
  const lease = await holder.acquire();
  if (!lease) return undefined;
  try {
    return await work({ lease, renew: () => holder.renew(lease) });
  } finally {
    await holder.release();
  }
}
