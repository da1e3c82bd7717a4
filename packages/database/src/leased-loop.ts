import {
  createLeaseHolder,
  type HeldLease,
  type LeaseHolder,
  type LeaseOptions,
} from './lease-holder.ts';
import { LeaseLost, type Lease } from './lease.ts';
import { createWakeableLoop } from './wakeable-loop.ts';

export interface LeasedLoopOptions<DB> extends LeaseOptions<DB> {
  /** One round of the holder. @returns milliseconds until the next round; 0 starts it at once */
  work(held: HeldLease): Promise<number>;
  /**
   * Runs before an epoch's first round: the last holder may have died in the middle of its work.
   */
  onAcquired?(held: HeldLease): Promise<void> | void;
  /** A round of a replica that waits for the lease, every third of `ttlMs`; at rest only one. */
  observe?(): Promise<void>;
  /** Called for the first of several failed rounds. */
  onFailing(error: unknown): void;
  /** Called for the first round that succeeds after failed ones. */
  onRecovered?(): void;
  /** Runs at stop, before the lease is freed: ends work that runs beside the rounds. */
  drain?(): Promise<void>;
  /** Pause after a round that failed. */
  retryMs: number;
  /** A failed round keeps the lease. Otherwise the next round starts with `onAcquired` again. */
  keepsLeaseOnError?: boolean;
  /** From a wake to its round, in milliseconds: one round then serves many wakes. */
  gatherMs?: number;
  /**
   * Whether there is nothing to do for now. Then a round only has to renew the lease, and a replica
   * without it asks when it runs out, or once woken.
   */
  isResting?: (() => boolean) | undefined;
}

export interface LeasedLoop {
  /** Aborted as soon as the loop is told to stop. */
  signal: AbortSignal;
  start(): void;
  /** Ends after the round in progress and frees the lease for the next holder. */
  stop(): Promise<void>;
  /**
   * There is work: starts the next round early. Without the lease it does nothing, unless the loop
   * rests.
   */
  wake(): void;
  /** Whether this epoch of the lease is still this replica's, as far as it knows. */
  isHeld(lease: Lease): boolean;
  /** Stops trusting this epoch, after a refused write. The next round asks the database again. */
  drop(lease: Lease): void;
  status(): LeasedLoopStatus;
}

export interface LeasedLoopStatus {
  /** Whether this replica holds the lease. */
  leading: boolean;
  /** Epoch of the held lease. */
  epoch: number | undefined;
}

/**
 * A loop that every replica runs and one replica at a time works in. The lease is renewed after a
 * third of its time to live. `LeaseLost` from a round starts the next one at once.
 */
export function createLeasedLoop<DB>(options: LeasedLoopOptions<DB>): LeasedLoop {
  const holder = createLeaseHolder(options);
  let startedEpoch: number | undefined;
  let isFailing = false;
  const waiting = createWaiting(options, holder);

  async function runRound(): Promise<number> {
    const lease = await holder.acquire();
    if (!lease) {
      startedEpoch = undefined;
      return waiting.runRound();
    }
    const held = { lease, renew: () => holder.renew(lease) };
    if (lease.epoch !== startedEpoch) await options.onAcquired?.(held);
    startedEpoch = lease.epoch;
    return lengthenAtRest(await options.work(held), options);
  }

  async function round(): Promise<number> {
    const pauseMs = await runRound();
    if (isFailing) options.onRecovered?.();
    isFailing = false;
    return pauseMs;
  }

  function dropLease(): void {
    holder.drop();
    startedEpoch = undefined;
  }

  function onError(error: unknown): number {
    if (error instanceof LeaseLost) {
      dropLease();
      return 0;
    }
    if (!options.keepsLeaseOnError) dropLease();
    if (!isFailing) options.onFailing(error);
    isFailing = true;
    return options.retryMs;
  }

  const loop = createWakeableLoop({ round, onError, gatherMs: options.gatherMs ?? 0 });
  return {
    ...loop,
    async stop() {
      await loop.stop();
      await options.drain?.();
      await holder.release();
    },
    wake() {
      // Each waiting replica would otherwise ask for the lease at each wake.
      if (holder.current() || waiting.isAtRest()) loop.wake();
    },
    isHeld: ({ epoch }) => holder.current()?.epoch === epoch,
    drop({ epoch }) {
      if (holder.current()?.epoch === epoch) dropLease();
    },
    status: () => ({ leading: holder.current() !== undefined, epoch: holder.current()?.epoch }),
  };
}

/** The last third of the lease leaves time for a renewal that fails once. */
function lengthenAtRest<DB>(
  pauseMs: number,
  { ttlMs, isResting }: Pick<LeasedLoopOptions<DB>, 'ttlMs' | 'isResting'>,
): number {
  return pauseMs > 0 && isResting?.() ? Math.max(pauseMs, (ttlMs * 2) / 3) : pauseMs;
}

/** The lease may run out in a moment. */
const MIN_REST_MS = 50;

/** Rounds while a rival holds the lease. */
function createWaiting<DB>(
  { ttlMs, observe, isResting }: LeasedLoopOptions<DB>,
  holder: Pick<LeaseHolder, 'rivalMs'>,
) {
  let isAtRest = false;
  return {
    isAtRest: () => isAtRest,
    /** @returns milliseconds until the next round */
    async runRound(): Promise<number> {
      const wasAtRest = isAtRest;
      isAtRest = isResting?.() ?? false;
      if (!isAtRest || !wasAtRest) await observe?.();
      return isAtRest ? Math.max(holder.rivalMs(), MIN_REST_MS) : ttlMs / 3;
    },
  };
}
