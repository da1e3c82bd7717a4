import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { createLeasedLoop, type HeldLease, type Lease } from '@muniment/database';
import { HistoryAltered } from '../errors.ts';
import { findHead } from '../proofs/tree-queries.ts';
import type { Tables } from '../tables.ts';
import { createBackgroundPublisher } from './background-publisher.ts';
import type { CheckpointPublisher } from './checkpoint-publisher.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import { createHistoryAlarm, type AlarmLogger, type HistoryAlarmState } from './history-alarm.ts';
import { sealBatch } from './seal-batch.ts';
import { listLaneNews } from './seal-lane-queries.ts';
import { hasLateEvents, findOldestUnsealed } from './unsealed-event-queries.ts';

export interface SealerOptions {
  db: Kysely<Tables>;
  /** This replica's name. */
  replica: string;
  log: AlarmLogger;
  signer: CheckpointSigner;
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
  /** The newest signed head that this replica knows. */
  checkpoint: { size: number; at: Date } | undefined;
  /** Size of the newest checkpoint in the bucket, as far as this replica knows. */
  published: number | undefined;
  /** Why nothing is sealed or signed: what is stored contradicts what was signed. */
  alarm: HistoryAlarmState | undefined;
}

export interface Sealer {
  start(): void;
  /** Ends after the batch in progress and frees the lease. */
  stop(): Promise<void>;
  status(): SealerStatus;
}

/** About 500 bytes each. A transaction of this many takes some 80 ms, so nobody waits for it long. */
const BATCH_SIZE = 4_000;
const RETRY_MS = 500;
/** Between two looks whether an alarm still holds. */
const ALARM_PAUSE_MS = 5_000;
/** Sealing goes on when comparing with the bucket takes longer: an outage of S3 stops nothing. */
const COMPARE_TIMEOUT_MS = 2_000;

/** How much waits to be sealed. */
interface Backlog {
  numbers: number;
  oldest: Date | undefined;
}

/**
 * The sealer: the replica with the lease gives stored events their place in the log and signs its heads.
 * Nothing may be signed on top of an altered history, so a contradiction stops it with an alarm.
 */
export function createSealer(options: SealerOptions): Sealer {
  const { db, log, signer, publisher } = options;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const pollMs = options.pollMs ?? 50;
  const batch = options.batch ?? BATCH_SIZE;
  const checkpointMs = options.checkpointMs ?? 1_000;
  const alarm = createHistoryAlarm(log);
  const publishing = createBackgroundPublisher(publisher, alarm, log);
  const sealed = { size: 0, count: 0, lastAt: undefined as Date | undefined };
  let backlog: Backlog = { numbers: 0, oldest: undefined };
  let checkpoint: SealerStatus['checkpoint'];
  let signedAt = -Infinity;

  /** Turns an altered history into an alarm. The lease stays: another replica would find the same. */
  async function raiseIfAltered(round: () => Promise<number>): Promise<number> {
    try {
      return await round();
    } catch (error) {
      if (!(error instanceof HistoryAltered)) throw error;
      alarm.raise(error.message);
      return Math.min(ALARM_PAUSE_MS, leaseTtlMs / 3);
    }
  }

  async function compareWithSigned({ lease }: HeldLease): Promise<number> {
    log.info({ epoch: lease.epoch }, 'sealer lease taken');
    await signer.verify();
    publisher.recheck();
    publishing.start(loop.signal);
    const compareMs = Math.min(COMPARE_TIMEOUT_MS, leaseTtlMs / 2);
    await Promise.race([publishing.settled(), sleep(compareMs, undefined, { ref: false })]);
    return 0;
  }

  /** An alarm ends only by a look at everything: the database's checkpoints, the tree, the bucket. */
  async function settleAlarm(): Promise<void> {
    await publishing.settled();
    await signer.verify();
    publisher.recheck();
    await publisher.publish(loop.signal);
    alarm.clear();
    log.info({}, 'the audit log is again what was signed; sealing goes on');
  }

  /** @returns whether there is anything to seal */
  async function readBacklog(): Promise<boolean> {
    const lanes = await listLaneNews(db);
    const numbers = lanes.reduce((sum, lane) => sum + lane.watermark - lane.sealed_seq, 0);
    // The holder seals fresh numbers in a moment: only those that stay have an age worth a query.
    const stays = numbers > 0 && (!loop.status().leading || backlog.numbers > 0);
    backlog = { numbers, oldest: stays ? await findOldestUnsealed(db, lanes) : undefined };
    return numbers > 0 || (await hasLateEvents(db));
  }

  /** @returns whether there is more */
  async function seal(lease: Lease): Promise<boolean> {
    const done = await sealBatch(db, lease, batch);
    sealed.size = done.head.size;
    sealed.count += done.sealed;
    if (done.sealed > 0) sealed.lastAt = new Date();
    if (!done.more) backlog = { numbers: 0, oldest: undefined };
    return done.more;
  }

  async function signHead(lease: Lease): Promise<void> {
    const now = performance.now();
    if (now - signedAt < checkpointMs) return;
    signedAt = now;
    const signed = await signer.sign(lease);
    if (signed) checkpoint = { size: signed.size, at: new Date() };
    publishing.start(loop.signal);
  }

  async function work({ lease }: HeldLease): Promise<number> {
    const isNews = await readBacklog();
    if (alarm.state()) await settleAlarm();
    const isMore = isNews && (await seal(lease));
    await signHead(lease);
    return isMore ? 0 : pollMs;
  }

  async function observe(): Promise<number> {
    await readBacklog();
    sealed.size = (await findHead(db)).size;
    const newest = await signer.observe();
    if (newest && newest.size !== checkpoint?.size)
      checkpoint = { size: newest.size, at: new Date() };
    alarm.clear();
    return 0;
  }

  const loop = createLeasedLoop({
    db,
    schema: 'audit',
    name: 'sealer',
    replica: options.replica,
    ttlMs: leaseTtlMs,
    retryMs: RETRY_MS,
    onAcquired: async (held) => {
      await raiseIfAltered(() => compareWithSigned(held));
    },
    work: (held) => raiseIfAltered(() => work(held)),
    observe: async () => {
      await raiseIfAltered(observe);
    },
    drain: () => publishing.settled(),
    onFailing: (error) => log.warn({ err: error }, 'sealer cannot go on; it tries again by itself'),
    onRecovered: () => log.info({}, 'sealer goes on'),
  });
  return {
    start: () => loop.start(),
    stop: () => loop.stop(),
    status: () => ({
      holder: loop.status().leading,
      size: sealed.size,
      lastSealedAt: sealed.lastAt,
      unsealed: backlog.numbers,
      oldestUnsealedMs: backlog.oldest ? Math.max(0, Date.now() - backlog.oldest.getTime()) : 0,
      sealed: sealed.count,
      checkpoint,
      published: publisher.published(),
      alarm: alarm.state(),
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
