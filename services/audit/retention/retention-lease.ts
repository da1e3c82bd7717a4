import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { RetentionLeaseLost } from '../errors.ts';
import type { Tables } from '../tables.ts';

/** Counting a month of ten millions takes a minute or two, and nobody waits for this lease. */
export const RETENTION_LEASE_TTL_MS = 10 * 60_000;

export interface HeldLease {
  lease: Lease;
  /** Renews it when it is due; to be called now and then. @throws RetentionLeaseLost */
  keep(): Promise<void>;
}

/** Runs work under the lease of those who take months out and bring them back: one at a time. @returns undefined while another holds it */
export async function underRetentionLease<Result>(
  db: Kysely<Tables>,
  replica: string,
  work: (held: HeldLease) => Promise<Result>,
  ttlMs: number,
): Promise<Result | undefined> {
  const holder = `${replica}/${randomUUID()}`;
  const lease = await acquireLease(db, 'audit', 'retention', holder, ttlMs);
  if (!lease) return undefined;
  let renewedAt = performance.now();
  try {
    return await work({
      lease,
      async keep() {
        if (performance.now() - renewedAt < ttlMs / 4) return;
        const renewed = await acquireLease(db, 'audit', 'retention', holder, ttlMs);
        if (renewed?.epoch !== lease.epoch) throw new RetentionLeaseLost();
        renewedAt = performance.now();
      },
    });
  } finally {
    await releaseLease(db, lease).catch(() => {});
  }
}
