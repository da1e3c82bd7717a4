import type { Kysely } from 'kysely';
import { createLeasedLoop, type HeldLease } from '@muniment/database';
import { findHead } from '../proofs/tree/tree-queries.ts';
import type { Tables } from '../tables.ts';
import { createBacklog, type Backlog } from './backlog.ts';
import type { CheckpointPublisher } from './checkpoint-publisher.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import { createHistoryAlarm, type AlarmLogger, type HistoryAlarmState } from './history-alarm.ts';
import { sealBatch, type SealedBatch } from './seal-batch.ts';
import { createSigning, type KnownCheckpoint } from './signing.ts';

export interface SealerOptions {
  db: Kysely<Tables>;
  /** This replica's name. */
  replica: string;
  log: AlarmLogger;
  signer: CheckpointSigner;
  publisher: CheckpointPublisher;
  /** Another replica takes over from a holder that is silent for this long. */
  leaseTtlMs?: number;
  /** Pause after a round that left nothing to seal. */
  pollMs?: number;
  /** Whether no events are recorded. Then rounds renew the lease and look for what was missed. */
  isResting?: () => boolean;
  /** Maximum of events that one transaction seals. */
  batch?: number;
  /** Least time between two checkpoints. */
  checkpointMs?: number;
}

export interface SealerStatus {
  /** Whether this replica seals. */
  holder: boolean;
  /** Leaves of the tree at the last round. */
  size: number;
  lastSealedAt: Date | undefined;
  /** Events that were stored and not sealed at the last round. */
  unsealed: number;
  /** How long ago the oldest of them happened. */
  oldestUnsealedMs: number;
  /** Events that this replica sealed since its start. */
  sealed: number;
  /** The newest signed head that this replica knows. */
  checkpoint: KnownCheckpoint | undefined;
  /** Size of the newest checkpoint in the bucket, as far as this replica knows. */
  published: number | undefined;
  /** Why nothing is sealed or signed: what is stored contradicts what was signed. */
  alarm: HistoryAlarmState | undefined;
}

export interface Sealer {
  start(): void;
  /** Ends after the batch in progress and frees the lease. */
  stop(): Promise<void>;
  /** Events may have been stored: starts the next round early. */
  wake(): void;
  status(): SealerStatus;
}

/** A transaction of this many events, of about 500 bytes each, takes some 80 ms. */
const BATCH_SIZE = 4_000;
const RETRY_MS = 500;
/** Pause between two checks whether an alarm still holds. */
const ALARM_PAUSE_MS = 5_000;
/** Sealing goes on when comparing with the bucket takes longer: an outage of S3 stops nothing. */
const COMPARE_TIMEOUT_MS = 2_000;

/**
 * The replica with the lease gives stored events their index and signs heads. Nothing may be signed
 * on an altered history, so a contradiction stops it with an alarm. With an alarm the lease stays:
 * another replica would find the same.
 */
export function createSealer(options: SealerOptions): Sealer {
  const { db, log, signer, publisher, leaseTtlMs = 3_000, checkpointMs = 1_000 } = options;
  const alarmPauseMs = Math.min(ALARM_PAUSE_MS, leaseTtlMs / 3);
  const alarm = createHistoryAlarm(log);
  const signal = (): AbortSignal => loop.signal;
  const signing = createSigning({ signer, publisher, alarm, log, checkpointMs, signal });
  const backlog = createBacklog(db);
  const sealed: SealedTotals = { size: 0, count: 0, lastAt: undefined };

  async function compareWithSigned({ lease }: HeldLease): Promise<number> {
    log.info({ epoch: lease.epoch }, 'sealer lease taken');
    await signing.compare(Math.min(COMPARE_TIMEOUT_MS, leaseTtlMs / 2));
    return 0;
  }

  async function work({ lease }: HeldLease): Promise<number> {
    const isWorkWaiting = await backlog.read({ isSealing: true });
    if (alarm.state()) await signing.resolveAlarm();
    const batch = { limit: options.batch ?? BATCH_SIZE, beforeCommit: alarm.requireNone };
    const isMore = isWorkWaiting && addBatch(sealed, await sealBatch(db, lease, batch));
    if (isWorkWaiting && !isMore) backlog.clear();
    await signing.signWhenDue(lease, { isResting: options.isResting?.() ?? false });
    return isMore ? 0 : (options.pollMs ?? 50);
  }

  /** A round of a replica that does not seal: it only keeps its status up to date. */
  async function observe(): Promise<number> {
    await backlog.read({ isSealing: false });
    sealed.size = (await findHead(db)).size;
    await signing.observe();
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
    isResting: options.isResting,
    onAcquired: async (held) =>
      void (await alarm.guard(() => compareWithSigned(held), alarmPauseMs)),
    work: (held) => alarm.guard(() => work(held), alarmPauseMs),
    observe: async () => void (await alarm.guard(observe, alarmPauseMs)),
    drain: () => signing.whenPublished(),
    onFailing: (error) => log.warn({ err: error }, 'sealer cannot go on; it tries again by itself'),
    onRecovered: () => log.info({}, 'sealer goes on'),
  });
  return {
    ...loop,
    status: () => ({
      ...statusOf(sealed, backlog, publisher),
      holder: loop.status().leading,
      checkpoint: signing.newest(),
      alarm: alarm.state(),
    }),
  };
}

interface SealedTotals {
  /** Leaves of the tree at the last round. */
  size: number;
  /** Events that this replica sealed since its start. */
  count: number;
  lastAt: Date | undefined;
}

/** @returns whether there is more to seal */
function addBatch(totals: SealedTotals, { head, sealed, more }: SealedBatch): boolean {
  totals.size = head.size;
  totals.count += sealed;
  if (sealed > 0) totals.lastAt = new Date();
  return more;
}

const statusOf = (
  { size, count, lastAt }: SealedTotals,
  backlog: Backlog,
  publisher: CheckpointPublisher,
) => ({
  size,
  sealed: count,
  lastSealedAt: lastAt,
  unsealed: backlog.unsealed(),
  oldestUnsealedMs: backlog.oldestMs(),
  published: publisher.published(),
});

/** Above this age of a waiting event, sealing stands still and needs an operator. */
const MAX_UNSEALED_AGE_MS = 60_000;

/** @throws when the history was altered, or waiting events have not been sealed for a minute */
export function checkSealer({ alarm, oldestUnsealedMs, unsealed }: SealerStatus): void {
  if (alarm) throw new Error(alarm.reason);
  if (unsealed > 0 && oldestUnsealedMs > MAX_UNSEALED_AGE_MS)
    throw new Error(
      `${unsealed} stored events are not sealed, ` +
        `the oldest for ${Math.round(oldestUnsealedMs / 1_000)} s`,
    );
}
