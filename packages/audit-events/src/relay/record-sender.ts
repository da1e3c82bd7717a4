import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseLost, type HeldLease } from '@muniment/database';
import { batchRecords, type StreamRecord } from '../kinesis.ts';
import type { StreamWriter } from './stream-writer.ts';

const MAX_BACKOFF_MS = 1_000;

/** Records that the stream has taken since this process started. */
export interface SendTotals {
  sent: number;
  resent: number;
}

export interface SenderOptions {
  writer: StreamWriter;
  totals: SendTotals;
  leaseTtlMs: number;
  /** Aborted when the relay stops. */
  signal(): AbortSignal;
}

/**
 * Sends records until the stream has taken every one, or the relay stops. It retries exactly the
 * refused ones.
 * @throws LeaseLost also when the records could not be claimed
 */
export type SendRecords = (
  held: HeldLease,
  records: readonly StreamRecord[] | undefined,
  kind: keyof SendTotals,
) => Promise<void>;

export function createSender({ writer, totals, leaseTtlMs, signal }: SenderOptions): SendRecords {
  // Shorter than the lease's time to live: a successor would send the same records again.
  const maxBackoffMs = Math.min(MAX_BACKOFF_MS, leaseTtlMs / 3);
  return async (held, records, kind) => {
    if (!records) throw new LeaseLost(held.lease.name);
    for (const batch of batchRecords(records)) {
      let left = batch;
      for (let attempt = 0; left.length > 0 && !signal().aborted; attempt += 1) {
        if (attempt > 0)
          await sleep(Math.min(maxBackoffMs, 25 * 2 ** attempt), undefined, {
            signal: signal(),
          }).catch(() => {});
        await held.renew();
        left = await writer.write(left);
      }
      totals[kind] += batch.length - left.length;
    }
  };
}
