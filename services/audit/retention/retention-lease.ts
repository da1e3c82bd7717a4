import type { Kysely } from 'kysely';
import { runWithLease, type HeldLease } from '@muniment/database';
import type { Tables } from '../tables.ts';

/**
 * Counting a month of ten million events takes a minute or two, and nobody waits for this lease.
 */
const LEASE_TTL_MS = 10 * 60_000;

export interface RetentionLeaseOptions {
  db: Kysely<Tables>;
  replica: string;
  leaseTtlMs?: number;
}

/** Archives or restores months, one replica at a time. @returns undefined while another works */
export function runWithRetentionLease<Result>(
  { db, replica, leaseTtlMs = LEASE_TTL_MS }: RetentionLeaseOptions,
  work: (held: HeldLease) => Promise<Result>,
): Promise<Result | undefined> {
  return runWithLease({ db, schema: 'audit', name: 'retention', replica, ttlMs: leaseTtlMs }, work);
}
