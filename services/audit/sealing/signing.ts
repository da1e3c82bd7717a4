import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease } from '@muniment/database';
import { createBackgroundPublisher } from './background-publisher.ts';
import type { CheckpointPublisher } from './checkpoint-publisher.ts';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import type { AlarmLogger, HistoryAlarm } from './history-alarm.ts';

export interface SigningOptions {
  signer: CheckpointSigner;
  publisher: CheckpointPublisher;
  alarm: HistoryAlarm;
  log: AlarmLogger;
  /** Least time between two checkpoints. */
  checkpointMs: number;
  /** Aborted when the sealer stops. */
  signal(): AbortSignal;
}

/** A signed head that this replica knows. */
export interface KnownCheckpoint {
  size: number;
  at: Date;
}

/** Signs the tree's heads now and then, and has them published. */
export interface Signing {
  /**
   * Compares the log with every signed head; the bucket only for `timeoutMs`.
   * @throws HistoryAltered
   */
  compare(timeoutMs: number): Promise<void>;
  /** Ends the alarm if database, tree and bucket are as signed. @throws HistoryAltered */
  resolveAlarm(): Promise<void>;
  /** At rest it compares and publishes what is there at most every five seconds. */
  signWhenDue(lease: Lease, options: { isResting: boolean }): Promise<void>;
  /** On a replica that does not seal: reads the newest checkpoint. @throws HistoryAltered */
  observe(): Promise<void>;
  newest(): KnownCheckpoint | undefined;
  /** Resolves when nothing is being published. */
  whenPublished(): Promise<void>;
}

const REST_MS = 5_000;

export function createSigning(options: SigningOptions): Signing {
  const { signer, publisher, alarm, log, checkpointMs, signal } = options;
  const publishing = createBackgroundPublisher(publisher, alarm, log);
  let newest: KnownCheckpoint | undefined;
  let signedAt = -Infinity;

  return {
    async compare(timeoutMs) {
      await signer.verify();
      publisher.recheck();
      publishing.start(signal());
      await Promise.race([publishing.whenPublished(), sleep(timeoutMs, undefined, { ref: false })]);
    },
    async resolveAlarm() {
      await publishing.whenPublished();
      await signer.verify();
      publisher.recheck();
      await publisher.publish(signal());
      alarm.clear();
      log.info({}, 'the audit log is again what was signed; sealing goes on');
    },
    async signWhenDue(lease, { isResting }) {
      const now = performance.now();
      if (now - signedAt < Math.max(checkpointMs, isResting ? REST_MS : 0)) return;
      signedAt = now;
      alarm.requireNone();
      const signed = await signer.sign(lease, alarm.requireNone);
      if (signed) newest = { size: signed.size, at: new Date() };
      publishing.start(signal());
    },
    async observe() {
      const stored = await signer.observe();
      if (stored && stored.size !== newest?.size) newest = { size: stored.size, at: new Date() };
    },
    newest: () => newest,
    whenPublished: () => publishing.whenPublished(),
  };
}
