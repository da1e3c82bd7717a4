import { randomUUID } from 'node:crypto';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { batchRecords, putBatch, type StreamRecord } from './kinesis.ts';
import type { Source } from './event.ts';
import {
  claimRows,
  claimUnstored,
  countUnstored,
  deleteStored,
  hasUnclaimed,
  storedProgress,
} from './outbox.ts';

/** What of a pino logger the loops use. */
export interface LoopLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface RelayOptions<DB> {
  db: Kysely<DB>;
  /** Schema of the outbox: `identity`, `files` or `audit`. */
  schema: string;
  source: Source;
  /** This replica's name, unique among the replicas that run now. */
  holder: string;
  kinesis: KinesisClient;
  stream: string;
  log: LoopLogger;
  /** A sent row that is not stored after this long is sent again. Milliseconds. */
  resendAfterMs?: number;
  leaseTtlMs?: number;
  /** Pause between two looks for rows that nobody announced by a poke. */
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
  /** Ends the loop after the batch in hand and gives the lease up. */
  stop(): Promise<void>;
  /** A row was just committed in this process: look now instead of at the next tick. */
  wake(): void;
  status(): RelayStatus;
}

const IDLE_MS = 100;
/** From a poke to the look: under load one look then serves many events (20 looks a second at the most, instead of hundreds). */
const GATHER_MS = 50;
const CLAIM_ROWS = 500;
const MAX_BACKOFF_MS = 1_000;
/** While this many rows are sent and not stored, no more are claimed: an outage of the audit service must not fill the stream with what would be sent twice. */
const MAX_UNSTORED = 50_000;
const MAX_RESEND_AFTER_MS = 15 * 60_000;

/**
 * The relay of one source. Every replica runs one; the one with the lease carries rows from the outbox to the stream. It may die
 * at any instant: a number is committed before its record is sent, a row is deleted only once it is stored, and what is neither
 * is sent again.
 */
export function createRelay<DB>(options: RelayOptions<DB>): Relay {
  const { db, schema, source, kinesis, stream, log } = options;
  // Of this process alone: two replicas that were given one name must not both believe that they lead.
  const holder = `${options.holder}/${randomUUID()}`;
  const resendAfterMs = options.resendAfterMs ?? 60_000;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const idleMs = options.idleMs ?? IDLE_MS;
  const stopping = new AbortController();
  let lease: Lease | undefined;
  let renewedAt = 0;
  let deletedAt = 0;
  let resentAt = 0;
  let streamDownSince: Date | undefined;
  let sent = 0;
  let resent = 0;
  let unstored = 0;
  let storedBefore = -1;
  let movedAt = performance.now();
  let poked = false;
  let wake: () => void = () => {
    poked = true;
  };
  let running: Promise<void> = Promise.resolve();

  /** Ends early when poked, also when that happened before the pause began. */
  async function pause(ms: number): Promise<void> {
    if (stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      let timer = setTimeout(resolve, poked ? GATHER_MS : ms);
      const end = (): void => {
        clearTimeout(timer);
        resolve();
      };
      wake = () => {
        if (stopping.signal.aborted) return end();
        if (poked) return;
        poked = true;
        clearTimeout(timer);
        timer = setTimeout(resolve, GATHER_MS);
      };
    });
    poked = false;
    wake = () => {
      poked = true;
    };
  }

  async function keepLease(): Promise<void> {
    const now = performance.now();
    if (lease && now - renewedAt < leaseTtlMs / 3) return;
    const before = lease;
    lease = await acquireLease(db, schema, 'relay', holder, leaseTtlMs);
    renewedAt = now;
    if (lease && lease.epoch !== before?.epoch) {
      log.info({ source, epoch: lease.epoch }, 'relay lease taken');
      unstored = await countUnstored(db, schema);
      // The last holder may have died between committing numbers and sending them.
      await send(await claimUnstored(db, lease, source, 0, 10_000), 'resent');
    }
  }

  /** Sends until the stream has taken every record, retrying exactly those it refused. Gives up only when stopping or when the lease is gone. */
  async function send(records: StreamRecord[] | undefined, kind: 'sent' | 'resent'): Promise<void> {
    if (!records) {
      lease = undefined;
      return;
    }
    for (const batch of batchRecords(records)) {
      let left = batch;
      for (let attempt = 0; left.length > 0 && lease && !stopping.signal.aborted; attempt += 1) {
        // The pause stays below the lease's time to live: an outage must not cost it, its next holder would send the same again.
        if (attempt > 0)
          await sleep(Math.min(MAX_BACKOFF_MS, leaseTtlMs / 3, 25 * 2 ** attempt), undefined, {
            signal: stopping.signal,
          }).catch(() => {});
        if (performance.now() - renewedAt > leaseTtlMs / 3) {
          const renewed = await acquireLease(db, schema, 'relay', holder, leaseTtlMs);
          renewedAt = performance.now();
          if (renewed?.epoch !== lease.epoch) {
            // Another held it meanwhile: begin anew, with what that one may have left unsent.
            lease = undefined;
            return;
          }
        }
        left = await tryPut(left);
      }
      if (kind === 'sent') sent += batch.length - left.length;
      else resent += batch.length - left.length;
    }
  }

  async function tryPut(batch: StreamRecord[]): Promise<StreamRecord[]> {
    try {
      const refused = await putBatch(kinesis, stream, source, batch);
      if (streamDownSince) {
        log.info({ source, downSince: streamDownSince }, 'stream takes records again');
        streamDownSince = undefined;
        // An outage may have cost the stream what it had taken before: everything not stored goes again at the next tick.
        resentAt = -Infinity;
      }
      return refused;
    } catch (error) {
      if (!streamDownSince)
        log.warn({ source, err: error }, 'stream refuses records; the outbox keeps them');
      streamDownSince ??= new Date();
      return batch;
    }
  }

  /**
   * How old a sent row must be to go again. While nothing at all is stored the age grows with the outage: sending everything again each
   * minute of a night would leave the audit service 50 million duplicates to read in the morning.
   */
  async function overdueAfterMs(now: number): Promise<number> {
    const progress = await storedProgress(db, source);
    if (progress !== storedBefore || unstored <= 0) movedAt = now;
    storedBefore = progress;
    return Math.max(resendAfterMs, Math.min((now - movedAt) / 2, MAX_RESEND_AFTER_MS));
  }

  async function resendOverdue(): Promise<void> {
    const now = performance.now();
    const afterOutage = resentAt === -Infinity;
    if (!lease || (!afterOutage && now - resentAt < Math.min(5_000, resendAfterMs / 2))) return;
    resentAt = now;
    const overdue = await claimUnstored(
      db,
      lease,
      source,
      afterOutage ? 1_000 : await overdueAfterMs(now),
      5_000,
    );
    if (overdue && overdue.length > 0)
      log.warn({ source, rows: overdue.length }, 'sent rows are not stored; sending them again');
    await send(overdue, 'resent');
  }

  async function tick(): Promise<boolean> {
    await keepLease();
    if (!lease) return false;
    const waiting = unstored < MAX_UNSTORED && (await hasUnclaimed(db, schema));
    const claimed = waiting ? await claimRows(db, lease, CLAIM_ROWS) : [];
    unstored += claimed?.length ?? 0;
    await send(claimed, 'sent');
    const now = performance.now();
    if (now - deletedAt > 250) {
      deletedAt = now;
      unstored -= await deleteStored(db, schema, source);
      await resendOverdue();
    }
    return claimed !== undefined && claimed.length === CLAIM_ROWS;
  }

  async function run(): Promise<void> {
    let failing = false;
    while (!stopping.signal.aborted) {
      try {
        const more = await tick();
        failing = false;
        if (!more) await pause(lease ? idleMs : leaseTtlMs / 3);
      } catch (error) {
        if (!failing) log.warn({ source, err: error }, 'relay cannot reach its database');
        failing = true;
        lease = undefined;
        await pause(500);
      }
    }
    if (lease) await releaseLease(db, lease).catch(() => {});
    lease = undefined;
  }

  return {
    start: () => {
      running = run();
    },
    async stop() {
      stopping.abort();
      wake();
      await running;
    },
    wake() {
      // Who does not lead has nothing to look for, and asking for the lease at every event would be a write at every event.
      if (lease) wake();
    },
    status: () => ({ leading: lease !== undefined, streamDownSince, sent, resent }),
  };
}
