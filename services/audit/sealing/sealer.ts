import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { HistoryAltered, SealerLeaseLost } from '../errors.ts';
import { findLaneNews } from './seal-lane-queries.ts';
import { hasLate, oldestUnsealed } from './unsealed-event-queries.ts';
import { readHead } from '../proofs/tree-queries.ts';
import type { Tables } from '../tables.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import type { CheckpointPublisher } from './checkpoint-publisher.ts';
import { sealBatch } from './seal-batch.ts';

export interface SealerOptions {
  db: Kysely<Tables>;
  /** This replica's name. */
  replica: string;
  log: LoopLogger & { error(details: object, message: string): void };
  notary: CheckpointSigner;
  publisher: CheckpointPublisher;
  /** A holder that is silent for this long is succeeded. */
  leaseTtlMs?: number;
  /** Pause between two looks for events to seal. */
  pollMs?: number;
  /** Most events that one transaction seals. */
  batch?: number;
  /** Least time between two checkpoints. */
  checkpointMs?: number;
}

export interface SealerStatus {
  /** Whether this replica seals. */
  holder: boolean;
  /** Leaves of the tree at the last look. */
  size: number;
  lastSealedAt: Date | undefined;
  /** Numbers that were stored and not sealed at the last look. */
  unsealed: number;
  /** How long ago the oldest of them happened. */
  oldestUnsealedMs: number;
  /** Sealed by this replica since its start. */
  sealed: number;
  /** The newest signed head that this replica knows of. */
  checkpoint: { size: number; at: Date } | undefined;
  /** Size of the newest checkpoint in the bucket, as far as this replica knows. */
  published: number | undefined;
  /** Why nothing is sealed or signed: what is stored contradicts what was signed. */
  alarm: { reason: string; since: Date } | undefined;
}

export interface Sealer {
  start(): void;
  /** Ends after the batch in hand and gives the lease up. */
  stop(): Promise<void>;
  status(): SealerStatus;
}

/** Of some 500 bytes each; a transaction of this many takes some 80 ms, so that a rival or a reader never waits for long. */
const BATCH = 4_000;

/** Between two looks whether an alarm still holds. */
const ALARM_PAUSE_MS = 5_000;
/** The bucket may take this long to be compared with before sealing goes on without it: an outage of S3 stops nothing. */
const COMPARE_MS = 2_000;

/**
 * The sealer. Every replica runs one; the one with the lease gives stored events their place in the log, and signs its heads. Where what is stored
 * contradicts what was signed, it stops and raises an alarm: nothing may be signed on top of an altered history.
 */
export function createSealer(options: SealerOptions): Sealer {
  const { db, log, notary, publisher } = options;
  // Of this process alone: a replica that comes back under its name must not pass for the one that died, whose batch may be under way.
  const owner = `${options.replica}/${randomUUID()}`;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const pollMs = options.pollMs ?? 50;
  const batch = options.batch ?? BATCH;
  const checkpointMs = options.checkpointMs ?? 1_000;
  const stopping = new AbortController();
  let lease: Lease | undefined;
  let renewedAt = -Infinity;
  let size = 0;
  let sealed = 0;
  let lastSealedAt: Date | undefined;
  let backlog: { numbers: number; oldest: Date | undefined } = { numbers: 0, oldest: undefined };
  let checkpoint: SealerStatus['checkpoint'];
  let signedAt = -Infinity;
  let alarm: SealerStatus['alarm'];
  let publishing: Promise<void> | undefined;
  let bucketDown = false;
  let wake = (): void => {};
  let running: Promise<void> = Promise.resolve();

  async function pause(ms: number): Promise<void> {
    if (stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function keepLease(): Promise<void> {
    const now = performance.now();
    if (lease && now - renewedAt < leaseTtlMs / 3) return;
    const before = lease;
    lease = await acquireLease(db, 'audit', 'sealer', owner, leaseTtlMs);
    renewedAt = now;
    if (!lease || lease.epoch === before?.epoch) return;
    log.info({ epoch: lease.epoch }, 'sealer lease taken');
    await notary.verify();
    publisher.forget();
    publish();
    await Promise.race([
      publishing,
      sleep(Math.min(COMPARE_MS, leaseTtlMs / 2), undefined, { ref: false }),
    ]);
  }

  function raise(reason: string): void {
    if (alarm?.reason !== reason)
      log.error(
        { alarm: 'history_altered', reason },
        'the audit log was altered: nothing is sealed or signed until that is settled (docs/operations/observe.md)',
      );
    alarm = { reason, since: alarm?.since ?? new Date() };
  }

  /** Beside the sealing, one at a time: S3 may be slow or away. */
  function publish(): void {
    publishing ??= publisher
      .publish(stopping.signal)
      .then(() => {
        if (bucketDown) log.info({}, 'checkpoints reach the bucket again');
        bucketDown = false;
      })
      .catch((error: unknown) => {
        if (error instanceof HistoryAltered) raise(error.message);
        else if (!bucketDown) {
          log.warn({ err: error }, 'checkpoints do not reach the bucket; they are put there later');
          bucketDown = true;
        }
      })
      .finally(() => {
        publishing = undefined;
      });
  }

  /** An alarm ends only by a look at everything: the database's checkpoints, the tree, the bucket. */
  async function settleAlarm(): Promise<void> {
    await publishing;
    await notary.verify();
    publisher.forget();
    await publisher.publish(stopping.signal);
    alarm = undefined;
    log.info({}, 'the audit log is again what was signed; sealing goes on');
  }

  async function certify(held: Lease): Promise<void> {
    const now = performance.now();
    if (now - signedAt < checkpointMs) return;
    signedAt = now;
    const made = await notary.sign(held);
    if (made) checkpoint = { size: made.size, at: new Date() };
    publish();
  }

  /** @returns whether there is anything to seal */
  async function look(): Promise<boolean> {
    const lanes = await findLaneNews(db);
    const numbers = lanes.reduce(
      (sum, { sealed_seq: from, watermark }) => sum + watermark - from,
      0,
    );
    // Who seals has it sealed in a moment. What counts is what stays.
    const stays = numbers > 0 && (!lease || backlog.numbers > 0);
    backlog = { numbers, oldest: stays ? await oldestUnsealed(db, lanes) : undefined };
    return numbers > 0 || (await hasLate(db));
  }

  /** @returns whether to go on at once */
  async function tick(): Promise<boolean> {
    await keepLease();
    const news = await look();
    if (!lease) {
      ({ size } = await readHead(db));
      const newest = await notary.observe();
      if (newest && newest.size !== checkpoint?.size)
        checkpoint = { size: newest.size, at: new Date() };
      alarm = undefined;
      return false;
    }
    if (alarm) await settleAlarm();
    const more = news && (await seal(lease));
    await certify(lease);
    return more;
  }

  /** @returns whether there is more */
  async function seal(held: Lease): Promise<boolean> {
    const done = await sealBatch(db, held, batch);
    size = done.head.size;
    sealed += done.sealed;
    if (done.sealed > 0) lastSealedAt = new Date();
    if (!done.more) backlog = { numbers: 0, oldest: undefined };
    return done.more;
  }

  async function run(): Promise<void> {
    let failing = false;
    while (!stopping.signal.aborted) {
      try {
        const more = await tick();
        if (failing) log.info({}, 'sealer goes on');
        failing = false;
        if (!more) await pause(lease ? pollMs : leaseTtlMs / 3);
      } catch (error) {
        if (error instanceof HistoryAltered) {
          // The lease is kept: another replica would find the same.
          raise(error.message);
          await pause(Math.min(ALARM_PAUSE_MS, leaseTtlMs / 3));
          continue;
        }
        lease = undefined;
        if (error instanceof SealerLeaseLost) continue;
        if (!failing) log.warn({ err: error }, 'sealer cannot go on; it tries again by itself');
        failing = true;
        await pause(500);
      }
    }
    await publishing;
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
    status: () => ({
      holder: lease !== undefined,
      size,
      lastSealedAt,
      unsealed: backlog.numbers,
      oldestUnsealedMs: backlog.oldest ? Math.max(0, Date.now() - backlog.oldest.getTime()) : 0,
      sealed,
      checkpoint,
      published: publisher.published(),
      alarm,
    }),
  };
}

/** Sealing that stands still for longer than this is a matter for somebody. */
const LATE_MS = 60_000;

/** @throws saying what is wrong: the history was altered, or nothing has been sealed for a minute though there is something */
export function checkSealer({ alarm, oldestUnsealedMs, unsealed }: SealerStatus): void {
  if (alarm) throw new Error(alarm.reason);
  if (unsealed > 0 && oldestUnsealedMs > LATE_MS)
    throw new Error(
      `${unsealed} stored events are not sealed, the oldest for ${Math.round(oldestUnsealedMs / 1_000)} s`,
    );
}
