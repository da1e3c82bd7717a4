import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLeasedLoop, LeaseLost, type HeldLease } from '@muniment/database';
import { batchRecords, type StreamRecord } from './kinesis.ts';
import type { Source } from './event.ts';
import { claimRows, claimUnstored, countUnstored, deleteStored, hasUnclaimed } from './outbox.ts';
import { createResendSchedule } from './resend-schedule.ts';
import { createStreamWriter, type StreamWriter } from './stream-writer.ts';

/** The part of a pino logger that the loops use. */
export interface LoopLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface RelayOptions<DB> {
  db: Kysely<DB>;
  /** Schema of the outbox: `identity`, `files` or `audit`. */
  schema: string;
  source: Source;
  /** This replica's name. */
  replica: string;
  kinesis: KinesisClient;
  stream: string;
  log: LoopLogger;
  /** A sent row that is not stored after this long is sent again. Milliseconds. */
  resendAfterMs?: number;
  leaseTtlMs?: number;
  /** Pause between two looks for rows that no wake announced. */
  idleMs?: number;
}

export interface RelayStatus {
  leading: boolean;
  /** Since when the stream has refused everything; undefined while it takes records. */
  streamDownSince: Date | undefined;
  sent: number;
  resent: number;
}

export interface Relay {
  start(): void;
  /** Ends the loop after the batch in progress and frees the lease. */
  stop(): Promise<void>;
  /** A row was just committed in this process: look now instead of at the next round. */
  wake(): void;
  status(): RelayStatus;
}

const IDLE_MS = 100;
/** From a wake to the round. Under load 20 rounds a second then serve hundreds of events. */
const GATHER_MS = 50;
const CLAIM_ROWS = 500;
const DELETE_EVERY_MS = 250;
/** Above this many unstored rows none are claimed: an outage must not fill the stream twice. */
const MAX_UNSTORED = 50_000;
const MAX_BACKOFF_MS = 1_000;
const RETRY_MS = 500;

type Totals = Pick<RelayStatus, 'sent' | 'resent'>;

interface SenderOptions {
  writer: StreamWriter;
  totals: Totals;
  leaseTtlMs: number;
  /** Aborted when the relay stops. */
  signal(): AbortSignal;
}

/**
 * Makes a function that sends records until the stream has taken every one, or the relay stops. It
 * retries exactly the refused ones.
 * @throws LeaseLost
 */
function createSender({ writer, totals, leaseTtlMs, signal }: SenderOptions) {
  // Shorter than the lease's time to live: a successor would send the same records again.
  const maxBackoffMs = Math.min(MAX_BACKOFF_MS, leaseTtlMs / 3);
  return async (
    held: HeldLease,
    records: readonly StreamRecord[] | undefined,
    kind: keyof Totals,
  ): Promise<void> => {
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

/**
 * The relay of one source: the replica with the lease moves rows from the outbox to the stream. It
 * may die at any instant: numbers are committed before sending, and rows are deleted once stored.
 */
export function createRelay<DB>(options: RelayOptions<DB>): Relay {
  const { db, schema, source, kinesis, stream, log } = options;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const idleMs = options.idleMs ?? IDLE_MS;
  const schedule = createResendSchedule({ db, source, resendAfterMs: options.resendAfterMs });
  const writer = createStreamWriter({
    kinesis,
    stream,
    source,
    log,
    // The outage may have cost the stream what it had taken before.
    onRecovered: () => schedule.resendEverything(),
  });
  const totals: Totals = { sent: 0, resent: 0 };
  const send = createSender({ writer, totals, leaseTtlMs, signal: () => loop.signal });
  let unstored = 0;
  let deletedAt = -Infinity;

  async function onAcquired(held: HeldLease): Promise<void> {
    log.info({ source, epoch: held.lease.epoch }, 'relay lease taken');
    unstored = await countUnstored(db, schema);
    // The last holder may have died between committing numbers and sending them.
    await send(held, await claimUnstored(db, held.lease, source, 0, 10_000), 'resent');
  }

  async function resendOverdue(held: HeldLease): Promise<void> {
    const afterMs = await schedule.dueAfterMs(unstored);
    if (afterMs === undefined) return;
    const overdue = await claimUnstored(db, held.lease, source, afterMs, 5_000);
    if (overdue && overdue.length > 0)
      log.warn({ source, rows: overdue.length }, 'sent rows are not stored; sending them again');
    await send(held, overdue, 'resent');
  }

  async function work(held: HeldLease): Promise<number> {
    const isWaiting = unstored < MAX_UNSTORED && (await hasUnclaimed(db, schema));
    const claimed = isWaiting ? await claimRows(db, held.lease, CLAIM_ROWS) : [];
    unstored += claimed?.length ?? 0;
    await send(held, claimed, 'sent');
    const now = performance.now();
    if (now - deletedAt > DELETE_EVERY_MS) {
      deletedAt = now;
      unstored -= await deleteStored(db, schema, source);
      await resendOverdue(held);
    }
    return claimed?.length === CLAIM_ROWS ? 0 : idleMs;
  }

  const loop = createLeasedLoop({
    db,
    schema,
    name: 'relay',
    replica: options.replica,
    ttlMs: leaseTtlMs,
    gatherMs: GATHER_MS,
    retryMs: RETRY_MS,
    onAcquired,
    work,
    onFailing: (error) => log.warn({ source, err: error }, 'relay cannot reach its database'),
  });
  return {
    start: () => loop.start(),
    stop: () => loop.stop(),
    wake: () => loop.wake(),
    status: () => ({
      leading: loop.status().leading,
      streamDownSince: writer.downSince(),
      ...totals,
    }),
  };
}
