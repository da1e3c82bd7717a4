import type { Kysely } from 'kysely';
import { storedProgress } from '../outbox.ts';

export interface ResendScheduleOptions<DB> {
  db: Kysely<DB>;
  source: string;
  /** A sent row that is not stored after this long is sent again. Milliseconds. */
  resendAfterMs: number | undefined;
}

/** Decides when sent rows that are not stored go again. */
export interface ResendSchedule {
  /**
   * The age from which unstored rows are sent again now, in milliseconds.
   * @returns undefined while it is not yet time to look
   */
  dueAfterMs(unstored: number): Promise<number | undefined>;
  /** Makes all unstored rows due at the next look. */
  resendEverything(): void;
}

const RESEND_AFTER_MS = 60_000;
const MAX_RESEND_AFTER_MS = 15 * 60_000;
const MAX_LOOK_EVERY_MS = 5_000;
const AFTER_OUTAGE_MS = 1_000;

export function createResendSchedule<DB>({
  db,
  source,
  resendAfterMs = RESEND_AFTER_MS,
}: ResendScheduleOptions<DB>): ResendSchedule {
  let resentAt = 0;
  let isEverythingDue = false;
  let lastProgress = -1;
  let progressedAt = performance.now();

  /**
   * While nothing is stored the age grows with the outage. Resending everything each minute of a
   * night would give the audit service 50 million duplicates to read.
   */
  async function overdueAfterMs(now: number, unstored: number): Promise<number> {
    const progress = await storedProgress(db, source);
    if (progress !== lastProgress || unstored <= 0) progressedAt = now;
    lastProgress = progress;
    return Math.max(resendAfterMs, Math.min((now - progressedAt) / 2, MAX_RESEND_AFTER_MS));
  }

  return {
    async dueAfterMs(unstored) {
      const now = performance.now();
      const lookEveryMs = Math.min(MAX_LOOK_EVERY_MS, resendAfterMs / 2);
      if (!isEverythingDue && now - resentAt < lookEveryMs) return undefined;
      resentAt = now;
      if (!isEverythingDue) return overdueAfterMs(now, unstored);
      isEverythingDue = false;
      return AFTER_OUTAGE_MS;
    },
    resendEverything() {
      isEverythingDue = true;
    },
  };
}
