import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease, releaseLease, type Lease } from '@muniment/database';
import { SealerLeaseLost } from '../errors.ts';
import { findLaneNews } from '../queries/seal-lanes.ts';
import { hasLate, oldestUnsealed } from '../queries/unsealed-events.ts';
import { readHead } from '../queries/tree.ts';
import type { Tables } from '../tables.ts';
import { sealBatch } from './seal-batch.ts';

export interface SealerOptions {
  db: Kysely<Tables>;
  /** This replica's name. */
  replica: string;
  log: LoopLogger;
  /** A holder that is silent for this long is succeeded. */
  leaseTtlMs?: number;
  /** Pause between two looks for events to seal. */
  pollMs?: number;
  /** Most events that one transaction seals. */
  batch?: number;
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
}

export interface Sealer {
  start(): void;
  /** Ends after the batch in hand and gives the lease up. */
  stop(): Promise<void>;
  status(): SealerStatus;
}

/** Of some 500 bytes each; a transaction of this many takes some 80 ms, so that a rival or a reader never waits for long. */
const BATCH = 4_000;

/** The sealer. Every replica runs one; the one with the lease gives stored events their place in the log. */
export function createSealer(options: SealerOptions): Sealer {
  const { db, log } = options;
  // Of this process alone: a replica that comes back under its name must not pass for the one that died, whose batch may be under way.
  const owner = `${options.replica}/${randomUUID()}`;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const pollMs = options.pollMs ?? 50;
  const batch = options.batch ?? BATCH;
  const stopping = new AbortController();
  let lease: Lease | undefined;
  let renewedAt = -Infinity;
  let size = 0;
  let sealed = 0;
  let lastSealedAt: Date | undefined;
  let backlog: { numbers: number; oldest: Date | undefined } = { numbers: 0, oldest: undefined };
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
    if (lease && lease.epoch !== before?.epoch) log.info({ epoch: lease.epoch }, 'sealer lease taken');
  }

  /** @returns whether there is anything to seal */
  async function look(): Promise<boolean> {
    const lanes = await findLaneNews(db);
    const numbers = lanes.reduce((sum, { sealed_seq: from, watermark }) => sum + watermark - from, 0);
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
      return false;
    }
    if (!news) return false;
    const done = await sealBatch(db, lease, batch);
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
        lease = undefined;
        if (error instanceof SealerLeaseLost) continue;
        if (!failing) log.warn({ err: error }, 'sealer cannot go on; it tries again by itself');
        failing = true;
        await pause(500);
      }
    }
    if (lease) await releaseLease(db, lease).catch(() => {});
    lease = undefined;
  }

  return {
    start: () => { running = run(); },
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
    }),
  };
}
